//! getUpdated and getDeleted (salesforce-api.md 6.1).

use jiff::Timestamp;

use crate::{
    envelope::result,
    error::{Place, Result},
    xml::{Xml, XmlError, local_name},
};

/// Ids that were created or changed in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// Ids, 18 characters each.
    pub ids: Vec<String>,
    /// Up to when the answer is complete, on Salesforce's clock: the next window begins here. While a transaction is
    /// open this is its start, so that what it commits late is not lost.
    pub latest_date_covered: Timestamp,
}

/// Records that were deleted in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// Records that were deleted. They may have been undeleted since.
    pub records: Vec<DeletedRecord>,
    /// Time of the last physical deletion; earlier windows cannot be asked for.
    pub earliest_date_available: Timestamp,
    /// Up to when the answer is complete, on Salesforce's clock.
    pub latest_date_covered: Timestamp,
}

/// One record that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedRecord {
    /// Id, 18 characters.
    pub id: String,
    /// When, on Salesforce's clock.
    pub deleted_date: Timestamp,
}

/// A point in time as Salesforce writes it.
pub(crate) fn timestamp(xml: &mut Xml<'_>, what: &str) -> Result<Timestamp, XmlError> {
    // The text is not repeated: it could be anything.
    xml.text()?
        .trim()
        .parse()
        .map_err(|_not_shown| XmlError::Unexpected(format!("{what} is not a point in time")))
}

impl Updated {
    pub(crate) fn read(body: &str, place: &Place) -> Result<Self> {
        result(body, place, |xml| {
            let (mut ids, mut covered) = (Vec::new(), None);
            xml.members(|xml, start| {
                match local_name(start) {
                    "ids" => ids.push(xml.text()?),
                    "latestDateCovered" => covered = Some(timestamp(xml, "latestDateCovered")?),
                    _ => xml.skip()?,
                }
                Ok(())
            })?;
            Ok(Self {
                ids,
                latest_date_covered: covered.ok_or_else(|| XmlError::missing("latestDateCovered"))?,
            })
        })
    }
}

impl Deleted {
    pub(crate) fn read(body: &str, place: &Place) -> Result<Self> {
        result(body, place, |xml| {
            let (mut records, mut available, mut covered) = (Vec::new(), None, None);
            xml.members(|xml, start| {
                match local_name(start) {
                    "deletedRecords" => records.push(DeletedRecord::read(xml)?),
                    "earliestDateAvailable" => available = Some(timestamp(xml, "earliestDateAvailable")?),
                    "latestDateCovered" => covered = Some(timestamp(xml, "latestDateCovered")?),
                    _ => xml.skip()?,
                }
                Ok(())
            })?;
            Ok(Self {
                records,
                earliest_date_available: available.ok_or_else(|| XmlError::missing("earliestDateAvailable"))?,
                latest_date_covered: covered.ok_or_else(|| XmlError::missing("latestDateCovered"))?,
            })
        })
    }
}

impl DeletedRecord {
    fn read(xml: &mut Xml<'_>) -> Result<Self, XmlError> {
        let (mut id, mut deleted_date) = (None, None);
        xml.members(|xml, start| {
            match local_name(start) {
                "id" => id = Some(xml.text()?),
                "deletedDate" => deleted_date = Some(timestamp(xml, "deletedDate")?),
                _ => xml.skip()?,
            }
            Ok(())
        })?;
        Ok(Self {
            id: id.ok_or_else(|| XmlError::missing("id of a deleted record"))?,
            deleted_date: deleted_date.ok_or_else(|| XmlError::missing("deletedDate of a deleted record"))?,
        })
    }
}

/// The answer of getServerTimestamp.
pub(crate) fn read_server_timestamp(body: &str, place: &Place) -> Result<Timestamp> {
    result(body, place, |xml| {
        let mut now = None;
        xml.members(|xml, start| {
            match local_name(start) {
                "timestamp" => now = Some(timestamp(xml, "timestamp")?),
                _ => xml.skip()?,
            }
            Ok(())
        })?;
        now.ok_or_else(|| XmlError::missing("timestamp"))
    })
}
