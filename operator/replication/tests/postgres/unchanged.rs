//! Rows that did not change cost the server nothing but reading.
//!
//! The count of WAL is one of the whole server, so this test has a server of its own.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
};

use replication::{
    destination::{
        Destination, ObjectTable,
        postgres::{MergeStatement, Postgres, PostgresConfig},
    },
    plan::ColumnKind,
    state::Counts,
};

use super::{
    fixture::{batch, checkpoint, merge, now, open, plan},
    server::Server,
};

/// A server that lives as long as its input is open.
struct Own {
    process: Child,
    input: Option<ChildStdin>,
    url: String,
}

impl Own {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/with-postgres");
        let mut process = Command::new(script)
            .args(["sh", "-c", "echo \"$SFR_TEST_POSTGRES_URL\"; exec cat"])
            .env_remove("SFR_TEST_POSTGRES_URL")
            // Nothing but our transactions writes WAL then.
            .env(
                "SFR_TEST_POSTGRES_FLAGS",
                "-c autovacuum=off -c checkpoint_timeout=1d -c full_page_writes=on",
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        Self {
            input: process.stdin.take(),
            process,
            url: url.trim().to_owned(),
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.input.take());
        self.process.wait().ok();
    }
}

async fn wal(server: &Server) -> i64 {
    server
        .value("SELECT pg_current_wal_insert_lsn() - '0/0'")
        .await
        .parse()
        .unwrap()
}

#[tokio::test]
async fn unchanged_rows_write_no_wal_and_no_row() {
    let own = Own::start();
    let server = Server::at(own.url.clone()).await;
    for statement in [MergeStatement::Merge, MergeStatement::UpdateInsert] {
        let schema = format!("own_{statement:?}").to_lowercase();
        server.query(&format!("SET search_path = {schema}")).await;
        let mut config = PostgresConfig::new(own.url.as_str(), schema.as_str());
        config.merge = Some(statement);
        let destination = Postgres::connect(config).await.unwrap();
        destination.prepare().await.unwrap();
        let plan = plan(&[(
            "amount",
            ColumnKind::Decimal {
                precision: 18,
                scale: 2,
            },
        )]);
        let mut table = open(&destination, &plan).await;
        table.read_state().await.unwrap();
        table.create(&checkpoint(), now()).await.unwrap();
        let texts: Vec<String> = (0..5000).map(|number| format!("row {number}")).collect();
        let rows: Vec<[&str; 2]> = texts.iter().map(|text| [text.as_str(), "1.5"]).collect();
        let rows: Vec<&[&str]> = rows.iter().map(<[&str; 2]>::as_slice).collect();
        let before = wal(&server).await;
        assert_eq!(merge(&mut table, batch(&plan, &rows)).await.unwrap().inserted, 5000);
        let written = wal(&server).await - before;
        assert!(written > 300_000, "5000 rows are {written} bytes of WAL");

        for _ in 0..3 {
            let before = wal(&server).await;
            assert_eq!(merge(&mut table, batch(&plan, &rows)).await.unwrap(), Counts::default());
            let written = wal(&server).await - before;
            // The end of a transaction that filled a temporary table is a record, and the server notes running
            // transactions now and then; locking 5000 rows would be 270 000 bytes.
            assert!(
                written < 2000,
                "{written} bytes of WAL for unchanged rows by {statement:?}"
            );
        }
        // The table's own session tells its numbers when it ends.
        drop(table);
        let sql = "SELECT pg_stat_clear_snapshot(), n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables \
                   WHERE schemaname = current_schema() AND relname = 'contact'";
        let mut seen = Vec::new();
        for _ in 0..1000 {
            seen = server
                .query(sql)
                .await
                .remove(0)
                .split_off(1)
                .into_iter()
                .flatten()
                .collect();
            if seen != ["0", "0", "0"] {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(seen, ["5000", "0", "0"], "by {statement:?}");
    }
}
