//! What an operator may never show; every story ends with a look for it.

use e2e::{CANARY, Story};
use serde_json::json;

/// security.md, G6: a story whose operator has shown a secret does not pass.
#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "secrets were shown")]
async fn a_secret_that_is_shown_fails_its_story() {
    let story = Story::begin("shown").await;
    story.push("latest", &[]);
    story.follow("src", json!({})).await;
    story.wait_ready("OCIRepository", "src").await;
    let condition = json!({"type": "Theirs", "status": "True", "reason": "Said",
        "message": format!("the password is {CANARY}"), "lastTransitionTime": "2026-01-01T00:00:00Z"});
    story.patch_status("OCIRepository", "src", json!({"conditions": [condition]})).await;
}
