//! Go's duration texts.
#![allow(clippy::unwrap_used, reason = "a test may stop at a surprise")]

use api::duration::GoDuration;

#[test]
fn texts_and_values_agree_with_go() {
    for (text, nanoseconds, printed) in [
        ("0", 0, "0s"),
        ("60s", 60_000_000_000, "1m0s"),
        ("1.5h", 5_400_000_000_000, "1h30m0s"),
        ("-1m30s", -90_000_000_000, "-1m30s"),
        ("1ms500us", 1_500_000, "1.5ms"),
        (".5s", 500_000_000, "500ms"),
    ] {
        let parsed: GoDuration = text.parse().unwrap();
        assert_eq!(
            (parsed.nanoseconds(), parsed.to_string().as_str()),
            (nanoseconds, printed),
            "{text}"
        );
    }
}

#[test]
fn refusals_read_as_gos() {
    for (text, refusal) in [
        ("", "time: invalid duration \"\""),
        ("1", "time: missing unit in duration \"1\""),
        ("1d", "time: unknown unit \"d\" in duration \"1d\""),
        ("2562048h", "time: invalid duration \"2562048h\""),
    ] {
        assert_eq!(text.parse::<GoDuration>().unwrap_err().to_string(), refusal);
    }
}
