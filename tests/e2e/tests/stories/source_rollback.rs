//! The guard against going back to a lower version.

use std::time::Duration;

use e2e::{Story, condition};
use serde_json::{Value, json};

use super::sync::CONFIG_MAP;

fn revision(source: &Value) -> &str {
    source["status"]["artifact"]["revision"].as_str().unwrap_or_default()
}

fn range(expression: &str) -> Value {
    json!({"ref": {"semver": expression}})
}

/// security.md, E6: the version that vanished stays stored and served, also over a loss of the file,
/// until it comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_vanishes_is_held_until_it_comes_back() {
    let story = Story::begin("held").await;
    let files = [("cm.yaml", CONFIG_MAP)];
    story.push("6.1.5", &[("cm.yaml", "# older\n")]);
    let digest = story.push("6.1.6", &files);
    let mut source = story.source(range(">=6.1.0"));
    source["metadata"]["annotations"] = json!({"sluice.dev/rollback-guard": "enabled"});
    story.apply(&source).await;
    let whole = story.wait_ready("OCIRepository", "src").await;
    story.registry.delete_tag("app", "6.1.6");
    story.clock.advance(Duration::from_secs(600));
    let held = story.wait_failed("OCIRepository", "src", "RollbackHeld").await;
    assert_eq!(held["status"]["artifact"], whole["status"]["artifact"]);
    let said = condition(&held, "sluice.dev/RollbackHeld");
    assert_eq!((&said["status"], &said["reason"]), (&json!("True"), &json!("RollbackHeld")));
    let text = "tag '6.1.6' has vanished from the registry and is kept; to go back to '6.1.5', \
                annotate the object with sluice.dev/rollback-allowed=6.1.5";
    assert_eq!(condition(&held, "Ready")["message"], text);
    assert_eq!(condition(&held, "Reconciling"), Value::Null);
    assert_eq!(condition(&held, "Stalled"), Value::Null);

    let stored = story.storage().join(held["status"]["artifact"]["path"].as_str().unwrap());
    std::fs::remove_file(&stored).unwrap();
    let again = story.handled("src", "lost").await;
    assert_eq!(revision(&again), format!("6.1.6@{digest}"));
    assert_eq!(condition(&again, "Ready")["reason"], "RollbackHeld");
    assert!(story.files(&again).await.contains_key("cm.yaml"));
    let told = story.events("src").await;
    let told: Vec<_> = told.iter().filter(|event| event.contains("RollbackHeld")).collect();
    assert_eq!(told, [&format!("Warning RollbackHeld {text}")]);

    story.push("6.1.6", &files);
    story.clock.advance(Duration::from_secs(600));
    let back = story.wait_ready("OCIRepository", "src").await;
    assert_eq!(revision(&back), format!("6.1.6@{digest}"));
    assert_eq!(condition(&back, "sluice.dev/RollbackHeld"), Value::Null);
}

/// What lets a source go back: its own word, a version that is named, another range.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_go_back_says_so() {
    let story = Story::begin_with("back", &["--source-rollback-guard"]).await;
    let lower = story.push("6.1.5", &[("cm.yaml", "# older\n")]);
    story.push("6.1.6", &[("cm.yaml", CONFIG_MAP)]);
    for name in ["free", "named", "digest", "other"] {
        let mut source = story.source(range(">=6.1.0"));
        source["metadata"]["name"] = name.into();
        if name == "free" {
            source["metadata"]["annotations"] = json!({"sluice.dev/rollback-guard": "disabled"});
        }
        story.apply(&source).await;
        story.wait_ready("OCIRepository", name).await;
    }
    story.registry.delete_tag("app", "6.1.6");
    story.clock.advance(Duration::from_secs(600));
    let lower_one = format!("6.1.5@{lower}");
    let gone_back = async |name: &str| {
        let is_back = |source: &Value| {
            revision(source) == lower_one && condition(source, "Ready")["status"] == "True"
        };
        story.wait("OCIRepository", name, "at the lower version", is_back).await
    };
    gone_back("free").await;
    for name in ["named", "digest", "other"] {
        story.wait_failed("OCIRepository", name, "RollbackHeld").await;
    }
    for (name, allowed) in [("named", "6.1.5"), ("digest", &lower)] {
        let annotations = json!({"sluice.dev/rollback-allowed": allowed});
        story.patch("OCIRepository", name, json!({"metadata": {"annotations": annotations}})).await;
    }
    story.patch("OCIRepository", "other", json!({"spec": range("<=6.1.5")})).await;
    for name in ["named", "digest", "other"] {
        let source = gone_back(name).await;
        assert_eq!(condition(&source, "sluice.dev/RollbackHeld"), Value::Null, "{name}");
    }
}
