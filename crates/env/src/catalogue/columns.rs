//! The columns of each table: exactly those that a transform can ever send, with their types.
//!
//! One list for three readers: the transforms' tests hold their rows against it, the DCR's stream declarations are
//! generated from it, and the ingestion simulator refuses what isn't in it. It stands here, not beside the transforms,
//! because simulators may read the catalogue but nothing of the pipeline they judge.

use std::{collections::HashMap, sync::LazyLock};

use serde::Deserialize;

use ColumnType::{Datetime, Dynamic, Int, Long, Real, String};

/// The official connector's table.
pub const EVENT_LOG_TABLE: &str = "NordPassEventLogs_CL";

/// The table of the `health` source.
pub const HEALTH_TABLE: &str = "NordPassConnectorHealth_CL";

/// A column's name and type.
pub type Column = (&'static str, ColumnType);

/// The types of column that a stream declaration can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Text.
    String,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// Any number.
    Real,
    /// `true` or `false`; no row has one.
    #[serde(alias = "bool")]
    Boolean,
    /// A time, written as RFC 3339.
    Datetime,
    /// Any JSON value; in `AdditionalFields` always an object.
    Dynamic,
}

impl ColumnType {
    /// The word in a table's schema and in a DCR's stream declaration.
    pub fn name(self) -> &'static str {
        match self {
            String => "string",
            Int => "int",
            Long => "long",
            Real => "real",
            Self::Boolean => "boolean",
            Datetime => "datetime",
            Dynamic => "dynamic",
        }
    }
}

/// The columns that are sent to a table; none for a table that nothing is sent to.
pub fn columns(table: &str) -> &'static [Column] {
    TABLES.get(table).map_or(&[], Vec::as_slice)
}

static TABLES: LazyLock<HashMap<&'static str, Vec<Column>>> = LazyLock::new(|| {
    let group = &[("GroupName", String), ("GroupNameType", String), ("GroupId", String), ("GroupIdType", String)];
    HashMap::from([
        ("ASimAuditEventLogs", [BEGIN, EVENT, OBJECT, ACTOR, SOURCE, END].concat()),
        ("ASimAuthenticationEventLogs", {
            let acting = &[("ActingAppType", String)];
            [BEGIN, EVENT, APPLICATION, TARGET, ACTOR, acting, SOURCE, &[("SrcDvcOs", String)], END].concat()
        }),
        ("ASimUserManagementActivityLogs", {
            let schema = &[("EventSchema", String)];
            [BEGIN, schema, EVENT, &[("NewPropertyValue", String)], TARGET, group, ACTOR, SOURCE, END].concat()
        }),
        (EVENT_LOG_TABLE, EVENT_LOG.to_vec()),
        (HEALTH_TABLE, HEALTH.to_vec()),
    ])
});

/// How each ASIM table begins.
const BEGIN: &[Column] = &[
    ("TimeGenerated", Datetime),
    ("EventStartTime", Datetime),
    ("EventEndTime", Datetime),
    ("EventVendor", String),
    ("EventProduct", String),
];

/// What happened.
const EVENT: &[Column] = &[
    ("EventSchemaVersion", String),
    ("EventCount", Int),
    ("EventType", String),
    ("EventResult", String),
    ("EventResultDetails", String),
    ("EventSeverity", String),
    ("EventOriginalType", String),
    ("EventOriginalUid", String),
];

/// What it was done to.
const OBJECT: &[Column] = &[("Operation", String), ("Object", String), ("ObjectType", String), ("ObjectId", String)];

/// What was logged in to.
const APPLICATION: &[Column] = &[("TargetAppName", String), ("TargetAppType", String), ("LogonMethod", String)];

/// To whom.
const TARGET: &[Column] = &[
    ("TargetUsername", String),
    ("TargetUsernameType", String),
    ("TargetUserId", String),
    ("TargetUserIdType", String),
    ("TargetUserScopeId", String),
];

/// By whom, and with what.
const ACTOR: &[Column] = &[
    ("ActorUsername", String),
    ("ActorUsernameType", String),
    ("ActorUserId", String),
    ("ActorUserIdType", String),
    ("ActorUserType", String),
    ("ActorOriginalUserType", String),
    ("ActorScopeId", String),
    ("ActingAppName", String),
];

/// From where.
const SOURCE: &[Column] = &[("SrcIpAddr", String)];

/// How each ASIM table ends.
const END: &[Column] = &[("SrcDeviceType", String), ("AdditionalFields", Dynamic)];

/// The official table's nine columns, and two of ours at the end.
static EVENT_LOG: &[Column] = &[
    ("TimeGenerated", Datetime),
    ("event_type", String),
    ("action", String),
    ("initiator", String),
    ("metadata", Dynamic),
    ("organization_uuid", String),
    ("timestamp", Long),
    ("user_email", String),
    ("user_uuid", String),
    ("event_id", String),
    ("event_time", Datetime),
];

/// One row a minute for each source and sink. What doesn't apply to a component is left out of its row.
static HEALTH: &[Column] = &[
    ("TimeGenerated", Datetime),
    ("Component", String),
    ("ComponentKind", String),
    ("ComponentType", String),
    ("State", String),
    ("Reason", String),
    ("WaitingSince", Datetime),
    ("NextTry", Datetime),
    ("Cursor", Datetime),
    ("LagSeconds", Real),
    ("LastSuccess", Datetime),
    ("LastErrorKind", String),
    ("LastError", Datetime),
    ("Events", Long),
    ("Rows", Long),
    ("Bytes", Long),
    ("BytesWire", Long),
    ("DeadLetters", Long),
    ("Gaps", Long),
    ("GapFrom", Datetime),
    ("GapTo", Datetime),
    ("Errors", Long),
    ("TokenState", String),
    ("Version", String),
    ("Instance", String),
    ("RunId", String),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;
    use crate::catalogue::Schema;

    /// The live tables of September 2025: `table → column → type`.
    static LIVE: &str = include_str!("../../../../tests/fixtures/asim/live-columns.json");

    #[test]
    fn only_columns_that_the_live_tables_have() {
        let live: BTreeMap<std::string::String, BTreeMap<std::string::String, std::string::String>> =
            serde_json::from_str(LIVE).expect("the fixture");
        for schema in Schema::ALL {
            let table = &live[schema.table()];
            for (name, kind) in columns(schema.table()) {
                assert_eq!(table.get(*name).map(|live| &**live), Some(kind.name()), "{}: {name}", schema.table());
            }
        }
    }

    #[test]
    fn no_column_twice() {
        for table in Schema::ALL.map(Schema::table).into_iter().chain([EVENT_LOG_TABLE, HEALTH_TABLE]) {
            let columns = columns(table);
            let names: HashSet<_> = columns.iter().map(|(name, _)| name).collect();
            assert!(!columns.is_empty() && names.len() == columns.len(), "{table}");
        }
        assert!(columns("Heartbeat").is_empty());
    }
}
