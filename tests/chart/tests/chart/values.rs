//! Wrong values are refused before anything is rendered.

use chart::{Helm, chart};

use crate::template;

#[test]
fn the_chart_is_well_formed() {
    Helm::offline().unwrap().succeed(&["lint", "--strict", &chart()]).unwrap();
}

#[test]
fn wrong_values_are_refused() {
    let helm = Helm::offline().unwrap();
    for (setting, why) in [
        ("unknown=1", "'unknown' not allowed"),
        ("image.tga=\"1\"", "'tga' not allowed"),
        ("image.tag=1", "/image/tag"),
        ("image.digest=\"sha256:1\"", "/image/digest"),
        ("controller.concurrent=0", "/controller/concurrent"),
        ("controller.concurrent=null", "missing property 'concurrent'"),
        ("controller.concurrent=\"four\"", "/controller/concurrent"),
        ("controller.controllers=[]", "/controller/controllers"),
        ("controller.controllers=[\"helm\"]", "/controller/controllers"),
        ("controller.requeueDependency=\"soon\"", "/controller/requeueDependency"),
        ("controller.logLevel=\"loud\"", "/controller/logLevel"),
        ("controller.extraArgs=[\"log-level\"]", "/controller/extraArgs"),
        ("controller.extraArgs=\"--log-level=debug\"", "/controller/extraArgs"),
        ("rbac.clusterAdmin=\"no\"", "/rbac/clusterAdmin"),
        ("tolerations={}", "/tolerations"),
        ("podLabels={\"a\": 1}", "/podLabels"),
        ("serviceMonitor.interval=\"1 minute\"", "/serviceMonitor/interval"),
        ("serviceAccount.create=false", "serviceAccount.name is needed"),
    ] {
        let said = helm.fail(&["template", "sluice", &chart(), "--set-json", setting]).unwrap();
        assert!(said.contains(why), "{setting}: {said}");
    }
}

#[test]
fn the_schema_knows_every_default() {
    // Every default written out is a value too.
    let chart = chart();
    let values = format!("{chart}/values.yaml");
    let helm = Helm::offline().unwrap();
    helm.succeed(&["template", "sluice", &chart, "--values", &values]).unwrap();
    template(&["global={\"shared\": true}"]);
}
