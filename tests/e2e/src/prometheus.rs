//! A Prometheus that scrapes operators each second and evaluates the alerts that are shipped.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
};

use crate::{binary::until, control_plane::rights::DEPLOY};

/// Says where the program is, and brings it where it is missing.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/prometheus");

/// A running Prometheus. It is killed when it is dropped.
#[derive(Debug)]
pub struct Prometheus {
    _child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

/// A series of an answer: its labels, and its last value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Without the name.
    pub labels: serde_json::Map<String, Value>,
    /// Not a number where it is none.
    pub value: f64,
}

impl Prometheus {
    /// Starts one that scrapes these addresses.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(targets: &[SocketAddr]) -> Self {
        let programs = Command::new(PROGRAMS).stderr(Stdio::inherit()).output().await;
        let programs = programs.expect("scripts/prometheus starts");
        assert!(programs.status.success(), "scripts/prometheus says why");
        let programs = PathBuf::from(String::from_utf8(programs.stdout).expect("UTF-8").trim_end());
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let file = folder.path().join("prometheus.json");
        // JSON is YAML.
        let configuration = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [format!("{DEPLOY}/monitoring/rules/*.yaml")],
            "scrape_configs": [{
                "job_name": "salesforce-replicator",
                "static_configs": [{"targets": targets.iter().map(ToString::to_string).collect::<Vec<_>>()}],
            }],
        });
        std::fs::write(&file, configuration.to_string()).expect("the folder can be written to");
        let log = folder.path().join("prometheus.log");
        let mut child = Command::new(programs.join("prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("the folder can be written to"))
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus starts");
        let mut address = None;
        until("Prometheus listens", async || {
            let ended = child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "{ended:?}: {}", read(&log));
            address = listening(&read(&log));
            address.is_some()
        })
        .await;
        Self {
            _child: child,
            address: address.expect("it listens"),
            _folder: folder,
        }
    }

    /// What a query gives now: its series, or why it was refused.
    ///
    /// # Errors
    /// Prometheus' words.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn query(&self, query: &str) -> Result<Vec<Sample>, String> {
        let data = self.get("/api/v1/query", &[("query", query)]).await?;
        let result = data["result"].as_array().expect("a vector");
        Ok(result.iter().map(Sample::read).collect())
    }

    /// The values that a label has in the series that match.
    ///
    /// # Errors
    /// Prometheus' words.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn label_values(&self, label: &str, series: &str) -> Result<Vec<String>, String> {
        let data = self
            .get(&format!("/api/v1/label/{label}/values"), &[("match[]", series)])
            .await?;
        let values = data.as_array().expect("a list").iter();
        Ok(values.map(|value| value.as_str().expect("a text").to_owned()).collect())
    }

    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let parameters = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        // Of HTTP 1.0, so that the answer comes in one piece and the connection ends with it.
        let request = format!("GET {path}?{parameters} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let mut answer: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["data"].take()),
        }
    }
}

impl Sample {
    fn read(series: &Value) -> Self {
        let mut labels = series["metric"].as_object().expect("labels").clone();
        labels.remove("__name__");
        let value = series["value"][1].as_str().expect("a value");
        Self {
            labels,
            value: value.parse().expect("a number"),
        }
    }
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

/// Where it says that it listens.
fn listening(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("\"Listening on\""))?;
    line.rsplit_once("address=")?.1.trim().parse().ok()
}
