//! Objects of every kind that a build treats in its own way, and of kinds that it does not know.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::scalars::{APPS, SETTINGS, SPACES, annotation, pairs, scalar, text, typed, value, word};
use crate::workloads::workload;

/// One object, fit to be built.
pub fn object(dice: &mut Dice) -> Value {
    let name = *dice.pick(APPS);
    let mut made = match dice.below(28) {
        7 | 8 => service(dice, name),
        9 => ingress(dice, name),
        10 | 11 => config_map(dice),
        12 => secret(dice),
        13 | 14 => access(dice, name),
        15 => namespace(dice),
        16 => definition(dice),
        17 | 18 => custom(dice, name),
        19 => claim(dice, name),
        20 => autoscaler(dice, name),
        21 => webhook(dice, name),
        22 => policy(dice, name),
        23 => json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name},
            "secrets": [{"name": *dice.pick(SETTINGS)}], "imagePullSecrets": [{"name": *dice.pick(SETTINGS)}]}),
        24 => other(dice, name),
        _ => workload(dice, name),
    };
    dress(dice, &mut made);
    made
}

/// Gives an object a namespace, labels and annotations.
fn dress(dice: &mut Dice, made: &mut Value) {
    let cluster = [
        "Namespace",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "PersistentVolume",
    ];
    let kind = made["kind"].as_str().unwrap_or_default();
    if !cluster.contains(&kind) && dice.chance(25) {
        made["metadata"]["namespace"] = json!(*dice.pick(SPACES));
    }
    if dice.chance(35) {
        made["metadata"]["labels"] = pairs(dice, 5);
    }
    if dice.chance(25) {
        made["metadata"]["annotations"] = pairs(dice, 40);
    }
    if dice.chance(3) {
        made["metadata"]["annotations"]["example.com/odd"] = annotation(dice);
    }
    if dice.chance(3) {
        made["metadata"]["creationTimestamp"] = json!(null);
    }
    if dice.chance(3) {
        made["status"] = json!({});
    }
    if dice.chance(2) {
        made["metadata"]["annotations"]["kustomize.config.k8s.io/needs-hash"] = json!("true");
    }
}

fn service(dice: &mut Dice, name: &str) -> Value {
    let ports: Value = dice
        .some(&[("http", 80), ("https", 443), ("dns", 53)], 60)
        .into_iter()
        .map(|(port, number)| {
            let target = if dice.chance(50) { json!(port) } else { json!(8080) };
            json!({"name": port, "port": number, "targetPort": target, "protocol": *dice.pick(&["TCP", "UDP"])})
        })
        .collect();
    let mut made = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports}});
    if dice.chance(70) {
        made["spec"]["selector"] = pairs(dice, 5);
    }
    if dice.chance(20) {
        made["spec"]["type"] = json!(*dice.pick(&["ClusterIP", "LoadBalancer", "ExternalName"]));
    }
    made
}

fn ingress(dice: &mut Dice, name: &str) -> Value {
    let backend = json!({"service": {"name": *dice.pick(APPS), "port": {"number": 80}}});
    let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
    let mut made = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
        "spec": {"rules": [{"host": "example.com", "http": {"paths": paths}}]}});
    if dice.chance(40) {
        made["spec"]["tls"] =
            json!([{"hosts": ["example.com"], "secretName": *dice.pick(SETTINGS)}]);
    }
    if dice.chance(20) {
        made["spec"]["defaultBackend"] = backend;
    }
    if dice.chance(20) {
        made["apiVersion"] = json!("networking.k8s.io/v1beta1");
        made["spec"]["backend"] = json!({"serviceName": *dice.pick(APPS), "servicePort": 80});
    }
    if dice.chance(20) {
        made["metadata"]["annotations"]["nginx.ingress.kubernetes.io/auth-secret"] =
            json!(*dice.pick(SETTINGS));
    }
    made
}

fn entries(dice: &mut Dice) -> Value {
    let keys = ["a", "b", "config.yaml", "nginx.conf", "KEY", "on", "1"];
    let some = dice.some(&keys, 40);
    Value::Object(
        some.into_iter()
            .map(|key| (key.to_owned(), if dice.chance(25) { typed(dice) } else { text(dice) }))
            .collect(),
    )
}

fn config_map(dice: &mut Dice) -> Value {
    let mut made = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": *dice.pick(SETTINGS)}});
    if dice.chance(90) {
        made["data"] = entries(dice);
    }
    if dice.chance(10) {
        made["binaryData"] = json!({"blob": "aGVsbG8="});
    }
    if dice.chance(10) {
        made["immutable"] = json!(true);
    }
    made
}

fn secret(dice: &mut Dice) -> Value {
    let mut made =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": *dice.pick(SETTINGS)}});
    if dice.chance(60) {
        made["type"] = json!("Opaque");
    }
    if dice.chance(60) {
        made["data"] = json!({"a": "aGVsbG8=", "b": "d29ybGQ="});
    }
    if dice.chance(40) {
        made["stringData"] = entries(dice);
    }
    made
}

fn access(dice: &mut Dice, name: &str) -> Value {
    let wide = if dice.chance(50) { "Cluster" } else { "" };
    let kind = *dice.pick(&["Role", "RoleBinding", "RoleBinding"]);
    let mut made = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": format!("{wide}{kind}"), "metadata": {"name": name}});
    if kind == "Role" {
        made["rules"] = json!([{"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get", "list"],
            "resourceNames": [*dice.pick(SETTINGS), *dice.pick(APPS)]}]);
        if dice.chance(20) {
            made["aggregationRule"] =
                json!({"clusterRoleSelectors": [{"matchLabels": pairs(dice, 5)}]});
        }
        return made;
    }
    let role = *dice.pick(&["Role", "ClusterRole"]);
    made["roleRef"] =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": *dice.pick(APPS)});
    let subjects = (0..dice.between(0, 3)).map(|_| {
        let mut subject = json!({"kind": *dice.pick(&["ServiceAccount", "ServiceAccount", "User", "Group"]),
            "name": *dice.pick(&["default", "web", "api", "someone"])});
        if dice.chance(50) {
            subject["namespace"] = json!(*dice.pick(SPACES));
        }
        if dice.chance(20) {
            subject["apiGroup"] = json!("rbac.authorization.k8s.io");
        }
        subject
    });
    let subjects: Vec<_> = subjects.collect();
    if !subjects.is_empty() {
        made["subjects"] = json!(subjects);
    }
    made
}

fn namespace(dice: &mut Dice) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": *dice.pick(SPACES)}})
}

fn definition(dice: &mut Dice) -> Value {
    let scope = *dice.pick(&["Namespaced", "Cluster"]);
    let mut made = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": scope,
            "names": {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "description": text(dice), "properties": {"spec": {"type": "object", "default": value(dice, 1)}}}}}]}});
    if dice.chance(30) {
        made["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": *dice.pick(APPS), "namespace": *dice.pick(SPACES), "path": "/convert"}}}});
    }
    made
}

/// An object of a kind that nothing is known of.
fn custom(dice: &mut Dice, name: &str) -> Value {
    let (version, kind) = *dice.pick(&[
        ("example.com/v1", "Widget"),
        ("example.com/v1beta1", "Gadget"),
        ("stable.example.com/v1", "Deployment"),
    ]);
    let mut made =
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": {}});
    for key in dice.some(&["size", "items", "config", "image", "ref"], 50) {
        made["spec"][key] = value(dice, 3);
    }
    if dice.chance(40) {
        made["spec"]["configRef"] = json!({"name": *dice.pick(SETTINGS), "kind": "ConfigMap"});
    }
    if dice.chance(30) {
        made["spec"]["containers"] =
            json!([{"name": "app", "image": "nginx:1.0"}, {"name": "b", "image": "busybox"}]);
    }
    if dice.chance(30) {
        made["spec"]["list"] = json!([{"name": "one", "value": scalar(dice)}, {"name": "two", "value": word(dice)}, {"key": "three"}]);
    }
    if dice.chance(20) {
        made["spec"]["replicas"] = json!(dice.below(5));
    }
    if dice.chance(15) {
        made["spec"]["selector"] = json!({"matchLabels": pairs(dice, 5)});
    }
    made
}

fn claim(dice: &mut Dice, name: &str) -> Value {
    if dice.chance(30) {
        return json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "data"},
            "spec": {"capacity": {"storage": "1Gi"}, "claimRef": {"name": "data", "namespace": *dice.pick(SPACES)}}});
    }
    let name = if dice.chance(70) { "data" } else { name };
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "data", "selector": {"matchLabels": pairs(dice, 5)}}})
}

fn autoscaler(dice: &mut Dice, name: &str) -> Value {
    let version = *dice.pick(&["autoscaling/v2", "autoscaling/v1"]);
    let kind = *dice.pick(&["Deployment", "StatefulSet"]);
    json!({"apiVersion": version, "kind": "HorizontalPodAutoscaler", "metadata": {"name": name},
        "spec": {"minReplicas": 1, "maxReplicas": 5,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": *dice.pick(APPS)}}})
}

fn webhook(dice: &mut Dice, name: &str) -> Value {
    let kind = *dice.pick(&["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"]);
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name},
        "webhooks": [{"name": "a.example.com", "clientConfig": {"service": {"name": *dice.pick(APPS),
            "namespace": *dice.pick(SPACES), "path": "/a"}}}, {"name": "b.example.com", "clientConfig": {"url": "https://b"}}]})
}

fn policy(dice: &mut Dice, name: &str) -> Value {
    if dice.chance(30) {
        return json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": pairs(dice, 5)}}});
    }
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": pairs(dice, 5)}, "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": pairs(dice, 5)}}, {"namespaceSelector": {}}],
                "ports": [{"port": 80, "protocol": "TCP"}]}],
            "egress": [{"to": [{"podSelector": {"matchLabels": pairs(dice, 5)}}]}]}})
}

fn other(dice: &mut Dice, name: &str) -> Value {
    match dice.below(5) {
        0 => {
            json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.example.com"},
            "spec": {"service": {"name": *dice.pick(APPS), "namespace": *dice.pick(SPACES)}, "group": "example.com"}})
        }
        1 => {
            json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}, "provisioner": "x"})
        }
        2 => {
            json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": name}, "subsets": [{"ports": [{"port": 1}]}]})
        }
        3 => {
            json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": name}, "spec": {"limits": [{"type": "Pod", "max": {"cpu": 1.5}}]}})
        }
        _ => {
            json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 1_000_000})
        }
    }
}
