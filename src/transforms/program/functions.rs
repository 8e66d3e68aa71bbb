//! The functions that a program may call.
//!
//! A list of what is allowed, not of what isn't: what a new version of the language adds stays out until somebody has looked
//! at it, and a test says that it is there. What isn't named isn't linked, either: without the list the program would carry
//! parsers of other products' logs with their data.

mod own;

use vrl::compiler::Function;

macro_rules! functions {
    ($($function:ident),+ $(,)?) => {
        vec![$(Box::new(vrl::stdlib::$function) as Box<dyn Function>),+]
    };
}

/// The functions that a program may call.
#[rustfmt::skip]
pub fn allowed() -> Vec<Box<dyn Function>> {
    let mut functions = functions![
        Abs, Append, Array, Assert, AssertEq, Boolean, Camelcase, Ceil, Chunks, Compact, Contains, ContainsAll,
        DecodeBase16, DecodeBase64, DecodePercent, DecodePunycode, Del, Downcase, EncodeBase16, EncodeBase64, EncodeCsv,
        EncodeJson, EncodeKeyValue, EncodeLogfmt, EncodePercent, EncodePunycode, EndsWith, Exists, Filter, Find, Flatten,
        Float, Floor, ForEach, FormatInt, FormatNumber, FormatTimestamp, FromEntries, FromUnixTimestamp, Get, Includes,
        Integer, IpAton, IpCidrContains, IpNtoa, IpSubnet, IpToIpv6, Ipv6ToIpV4, IsArray, IsBoolean, IsEmpty, IsFloat,
        IsInteger, IsIpv4, IsIpv6, IsJson, IsNull, IsNullish, IsObject, IsRegex, IsString, IsTimestamp, Join, Kebabcase,
        Keys, Length, MapKeys, MapValues, Match, MatchAny, MatchArray, Merge, Mod, Object, ObjectFromArray, ParseCsv,
        ParseDuration, ParseFloat, ParseInt, ParseJson, ParseKeyValue, ParseLogFmt, ParseQueryString, ParseRegex,
        ParseRegexAll, ParseTimestamp, ParseUrl, Pascalcase, Pop, Push, Redact, Remove, Replace, ReplaceWith, Round,
        ScreamingSnakecase, Set, Slice, Snakecase, Split, StartsWith, String, StripWhitespace, Strlen, Tally, TallyValue,
        Timestamp, ToBool, ToEntries, ToFloat, ToInt, ToRegex, ToString, ToUnixTimestamp, Truncate, TypeDef, Unflatten,
        Unique, Upcase, Values, Zip,
    ];
    functions.extend(own::all());
    functions
}

/// What is left out, by the reason.
const REFUSED: &[(&str, &[&str])] = &[
    ("a program reaches no network", &["dns_lookup", "http_request", "reverse_dns"]),
    ("a program sees nothing of the machine", &["get_env_var", "get_hostname", "get_timezone_name"]),
    ("a program reads no files", &["encode_proto", "parse_etld", "parse_proto", "validate_json_schema"]),
    ("a program writes no log, which records don't belong in", &["log"]),
    (
        "nobody knows how large it gets",
        &["decode_gzip", "decode_lz4", "decode_snappy", "decode_zlib", "decode_zstd", "range"],
    ),
    ("the transform `pseudonymize` hides values", &["decrypt", "decrypt_ip", "encrypt", "encrypt_ip", "hmac"]),
    ("there are `random_int`, `random_float`, `random_bool` and `uuid_v4`", &["random_bytes", "uuid_v7"]),
    ("it makes several records of one", &["unnest"]),
    ("activity logs don't need it", UNUSED),
];

/// What is for other products' logs and other formats.
#[rustfmt::skip]
const UNUSED: &[&str] = &[
    "basename", "community_id", "crc", "decode_charset", "decode_mime_q", "dirname", "encode_charset", "encode_gzip",
    "encode_lz4", "encode_snappy", "encode_zlib", "encode_zstd", "haversine", "ip_ntop", "ip_pton",
    "match_datadog_query", "md5", "parse_apache_log", "parse_aws_alb_log",
    "parse_aws_cloudwatch_log_subscription_message", "parse_aws_vpc_flow_log", "parse_bytes", "parse_cbor",
    "parse_cef", "parse_common_log", "parse_glog", "parse_grok", "parse_groks", "parse_influxdb", "parse_klog",
    "parse_linux_authorization", "parse_nginx_log", "parse_ruby_hash", "parse_syslog", "parse_tokens",
    "parse_user_agent", "parse_xml", "parse_yaml", "seahash", "sha1", "sha2", "sha3", "shannon_entropy", "sieve",
    "split_path", "strip_ansi_escape_codes", "tag_types_externally", "to_syslog_facility",
    "to_syslog_facility_code", "to_syslog_level", "to_syslog_severity", "uuid_from_friendly_id", "xxhash",
];

/// Why a function of the language is left out; `None` if it isn't, or if there is no such function.
pub fn why_refused(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(_, names)| names.contains(&name)).map(|(why, _)| *why)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(functions: &[Box<dyn Function>]) -> BTreeSet<&'static str> {
        functions.iter().map(|function| function.identifier()).collect()
    }

    /// A function that a new version of the language brings is in neither list: look at what it reaches, then add it to one.
    #[test]
    fn every_function_of_the_language_is_allowed_or_refused() {
        let allowed = names(&allowed());
        for name in names(&vrl::stdlib::all()) {
            assert!(
                allowed.contains(name) != why_refused(name).is_some(),
                "`{name}` has to be in one of the lists, and in one only"
            );
        }
    }

    /// These take from the world. Where the language's own are allowed by mistake, a program would see past the seams.
    #[test]
    fn the_clock_and_the_dice_are_ours() {
        let own = names(&own::all());
        assert_eq!(own, BTreeSet::from(["now", "random_bool", "random_float", "random_int", "uuid_v4"]));
        assert_eq!(allowed().len(), names(&allowed()).len(), "none of them is there twice");
    }

    /// The whole list, so that a change of it is seen.
    #[test]
    fn the_functions_are_these() {
        let names: Vec<&str> = names(&allowed()).into_iter().collect();
        insta::assert_snapshot!(names.join("\n"));
    }
}
