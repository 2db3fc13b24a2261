//! The bounds of this client, and the org's daily quota as each answer tells it.

use std::time::Duration;

use crate::{
    error::{Error, Result},
    xml::{Xml, XmlError, local_name},
};

/// Largest answer that is held, in bytes after inflating. A page of 2000 rows has 2.4 MB typically
/// (performance.md 2.6).
pub(crate) const BODY_LIMIT_BYTES: usize = 32 * 1024 * 1024;

/// Most objects of one describeSObjects (salesforce-api.md 3.8).
pub(crate) const OBJECTS_PER_DESCRIBE: usize = 100;

/// Most Ids of one retrieve (salesforce-api.md 3.8).
pub const IDS_PER_RETRIEVE: usize = 2000;

/// Rows of a page that may be asked for: Salesforce's minimum and maximum (salesforce-api.md 3.2).
pub(crate) const PAGE_ROWS: std::ops::RangeInclusive<u16> = 200..=2000;

/// How long one request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection, TLS and proxy included.
    pub connect: Duration,
    /// For the next piece of an answer. For its first byte two and a half times as much: Salesforce lets a query run
    /// for two minutes before it answers at all (salesforce-api.md 3.8).
    pub read: Duration,
    /// For the whole request.
    pub total: Duration,
}

impl Timeouts {
    /// How long the first byte of an answer may take.
    pub(crate) fn answer(&self) -> Duration {
        self.read.saturating_mul(5) / 2
    }

    /// # Errors
    ///
    /// Of kind Invalid where one of them is zero.
    pub(crate) fn check(&self) -> Result<()> {
        if self.connect.is_zero() || self.read.is_zero() || self.total.is_zero() {
            return Err(Error::Config(
                "a time-out of zero would end each request before it begins".to_owned(),
            ));
        }
        Ok(())
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_mins(1),
            total: Duration::from_mins(15),
        }
    }
}

/// API calls of the org in the last 24 hours, by all of its clients (salesforce-api.md 3.3 and 3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiUsage {
    /// Calls made.
    pub used: u64,
    /// Calls allowed.
    pub limit: u64,
}

impl ApiUsage {
    /// Reads the inside of a `LimitInfoHeader`. Limits of other types are passed over.
    pub(crate) fn read(xml: &mut Xml<'_>) -> Result<Option<Self>, XmlError> {
        let mut usage = None;
        xml.members(|xml, start| {
            if local_name(start) != "limitInfo" {
                return xml.skip();
            }
            let (mut current, mut limit, mut of) = (None, None, String::new());
            xml.members(|xml, start| {
                match local_name(start) {
                    "current" => current = xml.text()?.trim().parse().ok(),
                    "limit" => limit = xml.text()?.trim().parse().ok(),
                    "type" => of = xml.text()?,
                    _ => xml.skip()?,
                }
                Ok(())
            })?;
            if let (Some(used), Some(limit), "API REQUESTS") = (current, limit, of.trim()) {
                usage = Some(Self { used, limit });
            }
            Ok(())
        })?;
        Ok(usage)
    }
}
