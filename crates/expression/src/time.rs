//! Points in time and spans of it.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::fault::{Fault, Result};
use crate::value::Value;

const NANOSECONDS: i64 = 1_000_000_000;

/// The last year that the language holds; the first is 1.
const YEAR_MAX: i16 = 9999;

fn overflow() -> Fault {
    Fault::of("timestamp overflow")
}

fn epoch() -> DateTime {
    DateTime::constant(1970, 1, 1, 0, 0, 0, 0)
}

/// A point in time, given as what clocks show in UTC, that the language can hold.
fn bounded(at: DateTime, offset: Offset) -> Result<Value> {
    if !(1..=YEAR_MAX).contains(&at.year()) {
        return Err(overflow());
    }
    Ok(Value::Timestamp(at, offset))
}

/// From seconds since 1970, and nanoseconds.
pub(crate) fn from_seconds(seconds: i64, nanoseconds: i32) -> Result<Value> {
    let since = SignedDuration::from_secs(seconds)
        .checked_add(SignedDuration::from_nanos(nanoseconds.into()));
    let at = since.and_then(|since| epoch().checked_add(since).ok());
    bounded(at.ok_or_else(overflow)?, Offset::UTC)
}

/// Whole seconds since 1970, rounded down.
pub(crate) fn to_seconds(at: DateTime) -> Value {
    let since = at.duration_since(epoch());
    Value::Int(since.as_secs() - i64::from(since.subsec_nanos() < 0))
}

/// Reads RFC 3339; `None` where Go does not.
pub(crate) fn parse_timestamp(text: &str) -> Option<Result<Value>> {
    let (date, rest) = text.split_at_checked(10)?;
    let zone = rest.rfind(['Z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone);
    let clock = clock.strip_prefix('T')?;
    let (whole, fraction) = clock.split_at_checked(8)?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let shaped = date.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    }) && whole.bytes().enumerate().all(|(at, byte)| match at {
        2 | 5 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let fits = fraction.is_empty() || fraction.strip_prefix(['.', ',']).is_some_and(digits);
    if !shaped || !fits || whole.ends_with("60") {
        return None;
    }
    let offset = match zone {
        "Z" => Offset::UTC,
        zone => offset(zone)?,
    };
    let day: jiff::civil::Date = date.parse().ok()?;
    let fraction: String = fraction.chars().skip(1).chain("000000000".chars()).take(9).collect();
    let part = |range: std::ops::Range<usize>| whole.get(range)?.parse::<i8>().ok();
    let (hour, minute, second) = (part(0..2)?, part(3..5)?, part(6..8)?);
    let clock = jiff::civil::Time::new(hour, minute, second, fraction.parse().ok()?).ok()?;
    let east = SignedDuration::from_secs(offset.seconds().into());
    let at = day.to_datetime(clock).checked_sub(east);
    Some(at.map_err(|_| overflow()).and_then(|at| bounded(at, offset)))
}

/// `+02:00`.
fn offset(zone: &str) -> Option<Offset> {
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let two = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !two(hours) || !two(minutes) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hours > 24 || minutes > 60 {
        return None;
    }
    let seconds = (hours * 60 + minutes) * 60;
    Offset::from_seconds(if zone.starts_with('-') { -seconds } else { seconds }).ok()
}

/// As RFC 3339 with as many digits of a second as it takes.
pub(crate) fn timestamp_text(at: DateTime, offset: Offset) -> String {
    let local = local(at, offset);
    let fraction = match local.subsec_nanosecond() {
        0 => String::new(),
        nanos => format!(".{nanos:09}").trim_end_matches('0').to_owned(),
    };
    let zone = match offset.seconds() {
        0 => "Z".to_owned(),
        seconds => {
            let minutes = seconds.abs() / 60;
            let sign = if seconds < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        }
    };
    let (date, clock) = (local.date(), local.time());
    let (hour, minute, second) = (clock.hour(), clock.minute(), clock.second());
    format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}")
}

/// What clocks show east of Greenwich; at the ends of time, what they show there.
fn local(at: DateTime, offset: Offset) -> DateTime {
    at.saturating_add(SignedDuration::from_secs(offset.seconds().into()))
}

/// In seconds.
#[expect(clippy::cast_precision_loss, reason = "as the reference prints it")]
pub(crate) fn duration_text(nanoseconds: i64) -> String {
    let whole = (nanoseconds / NANOSECONDS) as f64;
    let rest = (nanoseconds % NANOSECONDS) as f64 / NANOSECONDS as f64;
    format!("{}s", whole + rest)
}

/// A point in time some nanoseconds later.
pub(crate) fn later(at: DateTime, offset: Offset, nanoseconds: i64) -> Result<Value> {
    let later = at.checked_add(SignedDuration::from_nanos(nanoseconds));
    bounded(later.map_err(|_| overflow())?, offset)
}

/// How far apart two points are.
pub(crate) fn between(later: DateTime, earlier: DateTime) -> Result<Value> {
    let span = later.duration_since(earlier).as_nanos();
    i64::try_from(span).map(Value::Duration).map_err(|_| overflow())
}

/// A part of a point in time, in the zone that is named; of none but the time of day for spans.
pub(crate) fn part(name: &str, arguments: &[Value]) -> Result<Value> {
    let number = match arguments {
        [Value::Duration(nanoseconds)] => match name {
            "getHours" => nanoseconds / (3600 * NANOSECONDS),
            "getMinutes" => nanoseconds / (60 * NANOSECONDS),
            "getSeconds" => nanoseconds / NANOSECONDS,
            _ => nanoseconds / (NANOSECONDS / 1000),
        },
        [Value::Timestamp(at, _)] => of_calendar(name, *at),
        [Value::Timestamp(at, _), Value::Text(zone)] => {
            let zone = named(zone)?;
            // Rules of zones end some hours before the language's time does.
            let offset = Offset::UTC.to_timestamp(*at).map(|at| zone.to_offset(at));
            of_calendar(name, local(*at, offset.unwrap_or(Offset::UTC)))
        }
        _ => return Err(Fault::no_overload()),
    };
    Ok(Value::Int(number))
}

fn of_calendar(name: &str, local: DateTime) -> i64 {
    match name {
        "getFullYear" => local.year().into(),
        "getMonth" => i64::from(local.month()) - 1,
        "getDayOfYear" => i64::from(local.day_of_year()) - 1,
        "getDayOfMonth" => i64::from(local.day()) - 1,
        "getDate" => local.day().into(),
        "getDayOfWeek" => local.weekday().to_sunday_zero_offset().into(),
        "getHours" => local.hour().into(),
        "getMinutes" => local.minute().into(),
        "getSeconds" => local.second().into(),
        _ => i64::from(local.subsec_nanosecond()) / 1_000_000,
    }
}

/// `Europe/Berlin` or `+02:00`, in the words that the reference has for neither.
fn named(name: &str) -> Result<TimeZone> {
    if let Some((hours, minutes)) = name.split_once(':') {
        let parsed = |text: &str| {
            let invalid = || Fault::of(format!("strconv.Atoi: parsing {text:?}: invalid syntax"));
            text.parse::<i32>().map_err(|_| invalid())
        };
        let (hours, minutes) = (parsed(hours)?, parsed(minutes)?);
        let minutes = if name.starts_with('-') { -minutes } else { minutes };
        let seconds = hours.checked_mul(60).and_then(|h| h.checked_add(minutes)?.checked_mul(60));
        let offset = seconds.and_then(|seconds| Offset::from_seconds(seconds).ok());
        return offset
            .map(TimeZone::fixed)
            .ok_or_else(|| Fault::of(format!("time zone offset out of range: {name}")));
    }
    if matches!(name, "" | "UTC") {
        return Ok(TimeZone::UTC);
    }
    let known = TimeZoneDatabase::bundled().get(name);
    known.map_err(|_| Fault::of(format!("unknown time zone {name}")))
}
