#![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]
//! The prune guard (docs/guards.md).

use expect_test::expect;
use manifest::ObjectId;
use plan::guard::{Guard, Pruning};
use plan::inventory::Entry;

fn entries(ids: &[&str]) -> Vec<Entry> {
    let entry = |id: &&str| Entry { id: ObjectId::parse(id).unwrap(), version: "v1".into() };
    ids.iter().map(entry).collect()
}

fn causes(rules: &str, stale: &[&str], owned: usize, built: usize) -> String {
    let (guard, stale): (Guard, _) = (rules.parse().unwrap(), entries(stale));
    let judged = guard.judge(&Pruning { stale: &stale, owned, built }, None);
    judged.err().map_or_else(|| "-".into(), |blocked| blocked.causes.join("; "))
}

#[test]
fn each_rule_refuses_what_it_is_about() {
    let two = ["ns_a__ConfigMap", "ns_b__ConfigMap"];
    assert_eq!(causes("", &two, 2, 0), "-");
    assert_eq!(causes("empty", &two, 2, 0), "the build is empty");
    assert_eq!(causes("empty", &two, 3, 1), "-");
    assert_eq!(causes("empty, 0, 0%, ConfigMap", &[], 0, 0), "-", "nothing goes");
    assert_eq!(causes("1", &two, 9, 7), "2 objects are more than 1");
    assert_eq!(causes("2", &two, 9, 7), "-");
    assert_eq!(causes("50%", &two, 3, 1), "2 of 3 objects are more than 50%");
    assert_eq!(causes("50%", &two, 4, 2), "-");
    assert_eq!(causes("ConfigMap", &two, 9, 7), "2 are of a protected kind");
    assert_eq!(causes("apps/ConfigMap, Namespace", &two, 9, 7), "-");
    assert_eq!(causes("Namespace,1", &["_x__Namespace"], 9, 8), "1 are of a protected kind");
    let all = causes("empty,1,25%,/ConfigMap", &two, 2, 0);
    assert_eq!(all.split("; ").count(), 4, "{all}");
}

#[test]
fn rules_that_are_none_are_named_and_refuse_everything() {
    for rules in [
        "disable",
        "101%",
        "x%",
        "-1",
        "1x",
        "name space",
        "apps/",
        "empty;3",
        "99999999999999999999999",
    ] {
        assert!(rules.parse::<Guard>().is_err(), "{rules}");
    }
    let invalid = "empty, many".parse::<Guard>().unwrap_err();
    assert!(invalid.to_string().starts_with("'many' is no rule of a prune guard: "));
    assert!("1,".repeat(5000).parse::<Guard>().is_err());
    let stale = entries(&["ns_a__ConfigMap"]);
    let pruning = Pruning { stale: &stale, owned: 9, built: 8 };
    let blocked = invalid.judge(&pruning, None).unwrap_err();
    assert_eq!(invalid.judge(&pruning, Some(&blocked.digest)), Ok(()));
    assert_eq!(invalid.judge(&Pruning { stale: &[], ..pruning }, None), Ok(()));
}

#[test]
fn exactly_what_was_looked_at_is_allowed() {
    let guard: Guard = "0".parse().unwrap();
    let judge = |ids: &[&str], allowed: Option<&str>| {
        let stale = entries(ids);
        guard.judge(&Pruning { stale: &stale, owned: 9, built: 1 }, allowed)
    };
    let seen = judge(&["ns_a__ConfigMap", "ns_b_apps_Deployment"], None).unwrap_err();
    expect![[
        r"nothing is pruned: 2 objects are more than 0. It would be ConfigMap/ns/a, Deployment/ns/b"
    ]]
    .assert_eq(&seen.to_string());
    let digest = Some(seen.digest.as_str());
    assert_eq!(judge(&["ns_b_apps_Deployment", "ns_a__ConfigMap"], digest), Ok(()));
    for other in
        [&["ns_a__ConfigMap"][..], &["ns_a__ConfigMap", "ns_b_apps_Deployment", "ns_c__Secret"]]
    {
        assert!(judge(other, digest).is_err());
    }
    let many: Vec<String> = (0..25).map(|i| format!("ns_m{i}__ConfigMap")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let text = judge(&many, None).unwrap_err().to_string();
    assert!(text.ends_with(" and 5 more"), "{text}");
}
