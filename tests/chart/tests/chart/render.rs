//! What is rendered.

use clap::Parser as _;
use serde_json::{Value, json};

use crate::{args_of, config, file, object, template};

const NAME: &str = "sluice-controller";

/// Removes what Helm adds to what `config/` says.
fn plain(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("labels");
        metadata.remove("annotations");
    }
    object
}

#[test]
fn defaults_are_what_config_installs() {
    let objects = template(&[]);
    let rendered = object(&objects, "Deployment", NAME);
    let expected = &file(&config("default/deployment.yaml"))[0];
    for part in ["replicas", "strategy"] {
        assert_eq!(rendered["spec"][part], expected["spec"][part], "{part}");
    }
    let (mut pod, mut expected_pod) = (
        rendered["spec"]["template"]["spec"].clone(),
        expected["spec"]["template"]["spec"].clone(),
    );
    // Flags are compared by meaning, and the pull policy is the server's own default.
    for pod in [&mut pod, &mut expected_pod] {
        let container = pod["containers"][0].as_object_mut().unwrap();
        container.remove("args");
        container.remove("imagePullPolicy");
    }
    assert_eq!(pod, expected_pod);

    let mut service = plain(object(&objects, "Service", NAME).clone());
    let selector = service["spec"]["selector"].as_object_mut().unwrap();
    assert_eq!(selector.remove("app.kubernetes.io/instance").unwrap(), "sluice");
    assert_eq!(service, file(&config("default/service.yaml"))[0]);
    let names = ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Service", "Deployment"];
    for kind in names {
        object(&objects, kind, NAME);
    }
    assert_eq!(objects.len(), 8, "nothing else than these, two definitions and a binding");
}

#[test]
fn rights_are_those_of_config() {
    let objects = template(&[]);
    for path in ["role", "role_binding", "cluster_admin_binding", "service_account"] {
        let expected = file(&config(&format!("rbac/{path}.yaml"))).remove(0);
        let kind = expected["kind"].as_str().unwrap();
        let name = expected["metadata"]["name"].as_str().unwrap();
        assert_eq!(plain(object(&objects, kind, name).clone()), expected, "{path}");
    }
    let kinds = |settings: &[&str]| {
        let objects = template(settings);
        let rbac = |object: &&Value| {
            object["apiVersion"] == "rbac.authorization.k8s.io/v1"
                || object["kind"] == "ServiceAccount"
        };
        objects.iter().filter(rbac).count()
    };
    assert_eq!(kinds(&[]), 4);
    assert_eq!(kinds(&["rbac.clusterAdmin=false"]), 3);
    assert_eq!(kinds(&["rbac.create=false"]), 2);
    assert_eq!(kinds(&["serviceAccount={\"create\": false, \"name\": \"mine\"}"]), 3);
}

#[test]
fn definitions_are_kept_and_complete() {
    let objects = template(&[]);
    let mut count = 0;
    for entry in std::fs::read_dir(config("crd")).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("kustomization.yaml") {
            continue;
        }
        let expected = file(&path).remove(0);
        let name = expected["metadata"]["name"].as_str().unwrap();
        let rendered = object(&objects, "CustomResourceDefinition", name);
        assert_eq!(rendered["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
        assert_eq!(plain(rendered.clone()), plain(expected), "{}", path.display());
        count += 1;
    }
    assert_eq!(count, 2);
    let without = template(&["crds.install=false"]);
    assert!(without.iter().all(|object| object["kind"] != "CustomResourceDefinition"));
}

#[test]
fn pods_are_restricted_whatever_the_values() {
    let settings = [
        "storage={\"existingClaim\": \"artifacts\", \"sizeLimit\": \"\"}",
        "podLabels={\"team\": \"platform\"}",
        "nodeSelector={\"kubernetes.io/os\": \"linux\"}",
        "tolerations=[{\"operator\": \"Exists\"}]",
        "affinity={\"nodeAffinity\": {}}",
        "priorityClassName=\"system-cluster-critical\"",
    ];
    for settings in [&[][..], &settings[..]] {
        let objects = template(settings);
        let pod = &object(&objects, "Deployment", NAME)["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        for container in pod["containers"].as_array().unwrap() {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["readOnlyRootFilesystem"], true);
            assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
            assert!(container["resources"]["limits"]["memory"].is_string());
            assert!(container["livenessProbe"].is_object());
            assert!(container["readinessProbe"].is_object());
        }
    }
    let objects = template(&settings);
    let pod = &object(&objects, "Deployment", NAME)["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"][0]["persistentVolumeClaim"]["claimName"], "artifacts");
    assert_eq!(pod["nodeSelector"]["kubernetes.io/os"], "linux");
    assert_eq!(pod["tolerations"][0]["operator"], "Exists");
    assert_eq!(pod["priorityClassName"], "system-cluster-critical");
}

#[test]
fn the_operator_understands_every_flag() {
    let parse = |objects: &[Value]| {
        let mut line = vec!["sluice-controller".to_owned()];
        line.extend(args_of(objects));
        controller::Args::try_parse_from(line).unwrap()
    };
    let said = |args: &controller::Args| format!("{args:?}");
    // Defaults of the chart are the operator's own.
    let own = controller::Args::try_parse_from([
        "sluice-controller",
        "--storage-adv-addr=sluice-controller.$(RUNTIME_NAMESPACE).svc.cluster.local.",
    ]);
    assert_eq!(said(&parse(&template(&[]))), said(&own.unwrap()));

    let args = parse(&template(&[
        "controller={\"controllers\": [\"source\"], \"concurrent\": 9, \"concurrentSsa\": 8, \
         \"requeueDependency\": \"5s\", \"noCrossNamespaceRefs\": true, \"logLevel\": \"debug\", \
         \"logEncoding\": \"console\", \"watchAllNamespaces\": false, \
         \"defaultServiceAccount\": \"tenant\", \"artifactRetentionRecords\": 7, \
         \"eventsAddr\": \"http://notifier.test/\", \
         \"extraArgs\": [\"--storage-addr=:9191\"]}",
    ]));
    assert_eq!(args.controllers.len(), 1);
    assert_eq!((args.concurrent, args.kustomization.concurrent_ssa), (9, 8));
    assert_eq!(args.requeue_dependency.as_secs(), 5);
    assert!(args.no_cross_namespace_refs && !args.watch_all_namespaces);
    assert_eq!(args.kustomization.default_service_account, "tenant");
    assert_eq!(args.artifact_retention_records, 7);
    let address = args.events_addr.as_ref().map(ToString::to_string);
    assert_eq!(address.as_deref(), Some("http://notifier.test/"));
    assert_eq!(args.storage_addr.port(), 9191);
}

#[test]
fn a_digest_wins_over_a_tag_and_a_monitor_is_asked_for() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let image = format!("image={{\"tag\": \"edge\", \"digest\": \"{digest}\"}}");
    let objects = template(&[&image, "serviceMonitor.enabled=true"]);
    let container = &object(&objects, "Deployment", NAME)["spec"]["template"]["spec"]["containers"];
    let expected = format!("ghcr.io/sluice-dev/sluice-controller@{digest}");
    assert_eq!(container[0]["image"], expected);
    let monitor = object(&objects, "ServiceMonitor", NAME);
    let service = object(&objects, "Service", NAME);
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], service["spec"]["ports"][1]["name"]);
}

#[test]
fn notices_are_taken_with_a_token_only() {
    let mounted = |objects: &[Value]| {
        let pod = &object(objects, "Deployment", NAME)["spec"]["template"]["spec"];
        let volume = pod["volumes"].as_array().unwrap().iter().find(|it| it["name"] == "webhook");
        volume.map(|volume| volume["secret"]["secretName"].clone())
    };
    assert_eq!(mounted(&template(&[])), None);
    let objects = template(&["webhook.tokenSecret=\"notices\""]);
    assert_eq!(mounted(&objects), Some("notices".into()));
    let mut line = vec!["sluice-controller".to_owned()];
    line.extend(args_of(&objects));
    let args = controller::Args::try_parse_from(line).unwrap();
    let container =
        &object(&objects, "Deployment", NAME)["spec"]["template"]["spec"]["containers"][0];
    let mount = container["volumeMounts"][2]["mountPath"].as_str().unwrap();
    assert_eq!(args.webhook_token_file.unwrap(), std::path::Path::new(mount).join("token"));
    let port = &container["ports"][3];
    assert_eq!(port["containerPort"], args.webhook_addr.unwrap().port());
    let service = object(&objects, "Service", NAME);
    assert_eq!(service["spec"]["ports"][1]["targetPort"], port["name"]);
}
