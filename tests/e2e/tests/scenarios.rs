//! What other tools lose, each as a named test, in PostgreSQL and in SQLite.

mod budget;
mod conditions;
mod late;
mod long;
mod objects;
mod parents;
pub(crate) mod play;
mod processes;
mod rejected;
mod stampless;
mod state;

/// Makes a test for each database of each of these functions.
macro_rules! for_both {
    ($($name:ident),+ $(,)?) => {
        mod postgres {
            use e2e::stage::Kind;
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    Box::pin(super::$name(Kind::Postgres, concat!("pg_", stringify!($name)))).await;
                }
            )+
        }

        mod sqlite {
            use e2e::stage::Kind;
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    Box::pin(super::$name(Kind::Sqlite, stringify!($name))).await;
                }
            )+
        }
    };
}

pub(crate) use for_both;
