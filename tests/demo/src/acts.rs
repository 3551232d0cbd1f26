//! What is shown, in order. Each act says what it does, does it, and verifies the result.

use std::time::Duration;

use anyhow::{bail, ensure};

use crate::bundle::Edit;
use crate::display::{announce, verified};
use crate::objects::{self, Kind, Ready, State};
use crate::stage::{PLATFORM, Stage};

/// The longest that one act may take.
const ACT_TIMEOUT: Duration = Duration::from_mins(2);
/// How often the objects are looked at: as often as an eye follows.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// The parts of the service that are Deployments.
const DEPLOYMENTS: [&str; 3] = ["activity-apiserver", "activity-processor", "activity-ui"];
/// The ConfigMap that the newer version drops.
const DROPPED: &str = "configmap/announcement-ui";

/// One environment of `examples/infra`.
struct Environment {
    name: &'static str,
    namespace: &'static str,
    /// The version that it starts with, and the newer one.
    versions: [&'static str; 2],
    /// The replicas that its patches ask for.
    replicas: &'static str,
}

const STAGING: Environment = Environment {
    name: "staging",
    namespace: "activity-staging",
    versions: ["1.0.0-staging-test-deploy-1", "1.1.0-staging-test-deploy-2"],
    replicas: "1",
};
const PRODUCTION: Environment = Environment {
    name: "production",
    namespace: "activity-production",
    versions: ["1.0.0", "1.1.0"],
    replicas: "2",
};
const ENVIRONMENTS: [Environment; 2] = [STAGING, PRODUCTION];

/// Plays every act.
pub(crate) async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    push(stage).await?;
    bootstrap(stage).await?;
    upgrade(stage).await?;
    correct_drift(stage).await
}

async fn push(stage: &Stage) -> anyhow::Result<()> {
    announce("Pushing the platform, and a first version of the service for each environment");
    stage.push("infra", "latest", &[stage.registry_edit()]).await?;
    for environment in &ENVIRONMENTS {
        let version = environment.versions[0];
        stage.push("activity", version, &Edit::version(version)).await?;
        verified(&format!("activity:{version}"));
    }
    Ok(())
}

async fn bootstrap(stage: &mut Stage) -> anyhow::Result<()> {
    announce("Applying one source and one Kustomization an environment; the rest follows");
    for environment in &ENVIRONMENTS {
        stage.apply(&format!("infra/clusters/{}", environment.name)).await?;
    }
    until(stage, |state| state.ready == Ready::Yes).await?;
    for environment in &ENVIRONMENTS {
        at_version(stage, environment, environment.versions[0]).await?;
        let replicas = live(stage, environment, "deployment/activity-ui", ".spec.replicas").await?;
        let what = format!("the replicas of {}/activity-ui", environment.namespace);
        equal(&what, &replicas, environment.replicas)?;
        verified(&format!("{what}: {replicas}, by the patch of the environment"));
    }
    Ok(())
}

async fn upgrade(stage: &mut Stage) -> anyhow::Result<()> {
    announce("Pushing a newer version that drops a ConfigMap, and telling the sources to look");
    let token = now();
    for environment in &ENVIRONMENTS {
        let what = format!("{DROPPED} of {}", environment.namespace);
        equal(&what, &exists(stage, environment, DROPPED).await?, DROPPED)?;
        let version = environment.versions[1];
        let mut edits = Edit::version(version).to_vec();
        edits.push(Edit::drop_one());
        stage.push("activity", version, &edits).await?;
        let source = (environment.namespace, "activity");
        objects::request(&stage.cluster.client, Kind::Source, source, &token).await?;
    }
    until(stage, |state| {
        let environment = ENVIRONMENTS.iter().find(|one| state.name.starts_with(one.namespace));
        let wanted = environment.map(|one| format!("{}@", one.versions[1]));
        state.ready == Ready::Yes && wanted.is_none_or(|tag| state.revision.starts_with(&tag))
    })
    .await?;
    for environment in &ENVIRONMENTS {
        at_version(stage, environment, environment.versions[1]).await?;
        let former = format!("job/activity-migrations-{}", dashed(environment.versions[0]));
        for gone in [DROPPED, &former] {
            let what = format!("{gone} of {}", environment.namespace);
            equal(&what, &exists(stage, environment, gone).await?, "")?;
            verified(&format!("{what} was pruned"));
        }
    }
    Ok(())
}

async fn correct_drift(stage: &mut Stage) -> anyhow::Result<()> {
    announce("Scaling production's ui by hand, and asking for a reconcile");
    let (deployment, replicas) = ("deployment/activity-ui", ".spec.replicas");
    let scale = ["-n", PRODUCTION.namespace, "scale", deployment, "--replicas=7"];
    stage.cluster.kubectl(&scale).await?;
    let what = format!("the replicas of {}/activity-ui", PRODUCTION.namespace);
    equal(&what, &live(stage, &PRODUCTION, deployment, replicas).await?, "7")?;
    let token = now();
    let owner = (PRODUCTION.namespace, "ui");
    objects::request(&stage.cluster.client, Kind::Kustomization, owner, &token).await?;
    let name = format!("{}/ui", PRODUCTION.namespace);
    until(stage, |state| {
        state.ready == Ready::Yes && (state.name != name || state.handled == token)
    })
    .await?;
    equal(&what, &live(stage, &PRODUCTION, deployment, replicas).await?, PRODUCTION.replicas)?;
    verified(&format!("{what}: 7 by hand, {} again", PRODUCTION.replicas));
    Ok(())
}

/// Shows all objects until each is as wanted.
async fn until(stage: &mut Stage, wanted: impl Fn(&State) -> bool) -> anyhow::Result<()> {
    let namespaces = [PLATFORM, STAGING.namespace, PRODUCTION.namespace];
    stage.board.begin();
    loop {
        stage.operator.check()?;
        let states = objects::states(&stage.cluster.client, &namespaces).await?;
        stage.board.show(&states);
        let open: Vec<_> = states.iter().filter(|state| !wanted(state)).collect();
        if open.is_empty() && !states.is_empty() {
            verified(&format!(
                "{} objects in {:.1} s",
                states.len(),
                stage.board.age().as_secs_f64()
            ));
            return Ok(());
        }
        if stage.board.age() > ACT_TIMEOUT {
            let lines: Vec<_> = open
                .iter()
                .map(|state| format!("\n  {} {}: {}", state.kind, state.name, state.message))
                .collect();
            bail!("not there after {} s:{}", ACT_TIMEOUT.as_secs(), lines.concat());
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Verifies that everything which runs in an environment is of a version.
async fn at_version(stage: &Stage, environment: &Environment, version: &str) -> anyhow::Result<()> {
    let image = ".spec.template.spec.containers[0].image";
    for name in DEPLOYMENTS {
        let found = live(stage, environment, &format!("deployment/{name}"), image).await?;
        let what = format!("the image of {}/{name}", environment.namespace);
        equal(&what, &found, &format!("registry.example.com/activity:{version}"))?;
    }
    let job = format!("job/activity-migrations-{}", dashed(version));
    let succeeded = live(stage, environment, &job, ".status.succeeded").await?;
    equal(&format!("the completions of {job} of {}", environment.namespace), &succeeded, "1")?;
    verified(&format!("{} runs {version}, its migrations are done", environment.namespace));
    Ok(())
}

/// A field of an object, as the cluster has it now.
async fn live(
    stage: &Stage,
    environment: &Environment,
    object: &str,
    field: &str,
) -> anyhow::Result<String> {
    let output = format!("-ojsonpath={{{field}}}");
    stage.cluster.kubectl(&["-n", environment.namespace, "get", object, &output]).await
}

/// The object as `kind/name` when it exists, else nothing.
async fn exists(stage: &Stage, environment: &Environment, object: &str) -> anyhow::Result<String> {
    let (kind, name) = object.split_once('/').unwrap_or((object, ""));
    let found = stage
        .cluster
        .kubectl(&["-n", environment.namespace, "get", object, "--ignore-not-found", "-oname"])
        .await?;
    Ok(if found.trim().is_empty() { String::new() } else { format!("{kind}/{name}") })
}

fn equal(what: &str, found: &str, expected: &str) -> anyhow::Result<()> {
    let word = |text: &str| if text.is_empty() { "nothing".into() } else { format!("`{text}`") };
    ensure!(found == expected, "{what}: expected {}, found {}", word(expected), word(found));
    Ok(())
}

/// A version as it stands in names.
fn dashed(version: &str) -> String {
    version.replace('.', "-")
}

/// A token that no former request had.
fn now() -> String {
    jiff::Timestamp::now().to_string()
}
