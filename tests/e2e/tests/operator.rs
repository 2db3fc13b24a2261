//! The operator on a real API server, with the rights that are shipped: from `kubectl apply` to rows, and through what can
//! go wrong on the way.

mod answers;
mod faults;
mod leadership;
mod life;
mod lines;
mod rights;
mod scale;
mod secrets;
mod unreadable;

use e2e::{operator::Site, stage::empty_org};
use simulator::Config;

/// An org of some people.
fn small_org() -> Config {
    Config {
        contacts: 300,
        accounts: 40,
        ..empty_org()
    }
}

/// A site with two objects of a small org.
async fn site(name: &str) -> Site {
    Box::pin(Site::new(name, small_org(), &["{name: Contact}", "{name: Account}"])).await
}

/// Rows of a table.
async fn count(site: &Site, table: &str) -> i64 {
    let statement = format!("SELECT count(*) FROM salesforce.{table}");
    site.stage.database().number(&statement).await
}
