//! Objects that run pods.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::scalars::{APPS, IMAGES, SETTINGS, pairs, scalar, text, typed, word};

/// A Deployment and its like.
pub fn workload(dice: &mut Dice, name: &str) -> Value {
    match dice.below(8) {
        0 => stateful_set(dice, name),
        1 => daemon_set(dice, name),
        2 => job(dice, name),
        3 => cron_job(dice, name),
        4 => pod(dice, name),
        _ => deployment(dice, name),
    }
}

/// An image as a container names it.
fn image(dice: &mut Dice) -> String {
    let name = *dice.pick(IMAGES);
    let end = *dice.pick(&[
        "",
        ":1.0",
        ":latest",
        ":1.0-alpine",
        "@sha256:24a0c4b4a4c0eb97",
        ":1@sha256:24a0",
    ]);
    format!("{name}{end}")
}

fn reference(dice: &mut Dice) -> Value {
    json!(*dice.pick(SETTINGS))
}

fn env(dice: &mut Dice) -> Value {
    let names = ["HOST", "PORT", "MODE", "SECRET", "REF"];
    let list = dice.some(&names, 40).into_iter().map(|name| match dice.below(6) {
        0 => json!({"name": name, "valueFrom": {"configMapKeyRef": {"name": reference(dice), "key": "a"}}}),
        1 => json!({"name": name, "valueFrom": {"secretKeyRef": {"name": reference(dice), "key": "b", "optional": true}}}),
        2 => json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
        3 => json!({"name": name, "value": typed(dice)}),
        _ => json!({"name": name, "value": text(dice)}),
    });
    list.collect()
}

fn ports(dice: &mut Dice) -> Value {
    let all = [("http", 80), ("https", 443), ("metrics", 9090), ("dns", 53)];
    let list = dice.some(&all, 40).into_iter().map(|(name, port)| {
        let mut entry = json!({"containerPort": port});
        if dice.chance(60) {
            entry["name"] = json!(name);
        }
        if dice.chance(40) {
            entry["protocol"] = json!(*dice.pick(&["TCP", "UDP"]));
        }
        entry
    });
    list.collect()
}

fn container(dice: &mut Dice, name: &str) -> Value {
    let mut made = json!({"name": name, "image": image(dice)});
    if dice.chance(3) {
        made["image"] = scalar(dice);
    }
    if dice.chance(40) {
        made["env"] = env(dice);
    }
    if dice.chance(40) {
        made["ports"] = ports(dice);
    }
    if dice.chance(25) {
        made["args"] = (0..dice.between(1, 3)).map(|_| text(dice)).collect();
    }
    if dice.chance(15) {
        made["command"] = json!(["/bin/sh", "-c", text(dice)]);
    }
    if dice.chance(20) {
        let key = *dice.pick(&["configMapRef", "secretRef"]);
        made["envFrom"] = json!([{key: {"name": reference(dice)}}, {"prefix": "X_", key: {"name": reference(dice)}}]);
    }
    if dice.chance(25) {
        made["volumeMounts"] = json!([{"name": "config", "mountPath": "/etc/config"},
            {"name": "data", "mountPath": "/data", "subPath": "x", "readOnly": true}]);
    }
    if dice.chance(25) {
        made["resources"] = json!({"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": 1, "memory": "128Mi"}});
    }
    if dice.chance(15) {
        made["livenessProbe"] =
            json!({"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10});
    }
    made
}

fn volumes(dice: &mut Dice) -> Value {
    let mut list = Vec::new();
    for name in dice.some(&["config", "data", "tmp"], 60) {
        let source = match dice.below(5) {
            0 => {
                json!({"name": name, "configMap": {"name": reference(dice), "items": [{"key": "a", "path": "b"}]}})
            }
            1 => {
                json!({"name": name, "secret": {"secretName": reference(dice), "defaultMode": 420}})
            }
            2 => json!({"name": name, "persistentVolumeClaim": {"claimName": "data"}}),
            3 => {
                json!({"name": name, "projected": {"sources": [{"configMap": {"name": reference(dice)}},
                {"secret": {"name": reference(dice)}}, {"serviceAccountToken": {"path": "token"}}]}})
            }
            _ => json!({"name": name, "emptyDir": {}}),
        };
        list.push(source);
    }
    Value::Array(list)
}

/// What a pod is made of.
fn pod_spec(dice: &mut Dice) -> Value {
    let names = dice.some(&["app", "sidecar", "proxy"], 45);
    let names = if names.is_empty() { vec!["app"] } else { names };
    let containers: Value = names.into_iter().map(|name| container(dice, name)).collect();
    let mut spec = json!({"containers": containers});
    if dice.chance(20) {
        spec["initContainers"] = json!([container(dice, "init")]);
    }
    if dice.chance(40) {
        spec["volumes"] = volumes(dice);
    }
    if dice.chance(30) {
        spec["serviceAccountName"] = json!(*dice.pick(APPS));
    }
    if dice.chance(15) {
        spec["imagePullSecrets"] = json!([{"name": reference(dice)}]);
    }
    if dice.chance(15) {
        spec["tolerations"] = json!([{"key": "gpu", "operator": "Exists"}, {"key": "x", "effect": "NoSchedule", "value": word(dice)}]);
    }
    if dice.chance(15) {
        spec["affinity"] = json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": pairs(dice, 5)}}}]}});
    }
    if dice.chance(10) {
        spec["topologySpreadConstraints"] = json!([{"maxSkew": 1, "topologyKey": "zone",
            "labelSelector": {"matchLabels": pairs(dice, 5)}}]);
    }
    if dice.chance(15) {
        spec["hostAliases"] = json!([{"ip": "127.0.0.1", "hostnames": ["a", "b"]}]);
    }
    if dice.chance(10) {
        spec["nodeSelector"] = pairs(dice, 20);
    }
    if dice.chance(10) {
        spec["securityContext"] = json!({"runAsUser": 1000, "supplementalGroups": [1, 2], "sysctls": [{"name": "a", "value": "1"}]});
    }
    spec
}

fn template(dice: &mut Dice) -> Value {
    let mut template = json!({"metadata": {"labels": pairs(dice, 5)}, "spec": pod_spec(dice)});
    if dice.chance(20) {
        template["metadata"]["annotations"] = pairs(dice, 40);
    }
    if dice.chance(10) {
        template = json!({"spec": pod_spec(dice)});
    }
    template
}

fn selected(dice: &mut Dice, api_version: &str, kind: &str, name: &str) -> Value {
    let mut made =
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": {}});
    if dice.chance(60) {
        made["spec"]["selector"] = json!({"matchLabels": pairs(dice, 5)});
    }
    if dice.chance(10) {
        made["spec"]["selector"]["matchExpressions"] =
            json!([{"key": "app", "operator": "In", "values": ["a", "b"]}]);
    }
    if kind != "DaemonSet" && dice.chance(60) {
        made["spec"]["replicas"] = json!(dice.below(9));
    }
    made["spec"]["template"] = template(dice);
    made
}

fn deployment(dice: &mut Dice, name: &str) -> Value {
    let version =
        *dice.pick(&["apps/v1", "apps/v1", "apps/v1", "extensions/v1beta1", "apps/v1beta2"]);
    let mut made = selected(dice, version, "Deployment", name);
    if dice.chance(20) {
        made["spec"]["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}});
    }
    made
}

fn stateful_set(dice: &mut Dice, name: &str) -> Value {
    let mut made = selected(dice, "apps/v1", "StatefulSet", name);
    if dice.chance(70) {
        made["spec"]["serviceName"] = json!(*dice.pick(APPS));
    }
    if dice.chance(70) {
        let claim = |dice: &mut Dice, name: &str| {
            json!({"metadata": {"name": name, "labels": pairs(dice, 5)},
                "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}})
        };
        made["spec"]["volumeClaimTemplates"] = json!([claim(dice, "data")]);
        if dice.chance(30) {
            made["spec"]["volumeClaimTemplates"] = json!([claim(dice, "data"), {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "more"}}]);
        }
    }
    made
}

fn daemon_set(dice: &mut Dice, name: &str) -> Value {
    selected(dice, "apps/v1", "DaemonSet", name)
}

fn pod(dice: &mut Dice, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod_spec(dice)})
}

fn job(dice: &mut Dice, name: &str) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 4, "template": template(dice)}})
}

fn cron_job(dice: &mut Dice, name: &str) -> Value {
    let version = *dice.pick(&["batch/v1", "batch/v1", "batch/v1beta1"]);
    let mut made = json!({"apiVersion": version, "kind": "CronJob", "metadata": {"name": name},
        "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": template(dice)}}}});
    if dice.chance(30) {
        made["spec"]["jobTemplate"]["metadata"] = json!({"labels": pairs(dice, 5)});
    }
    made
}
