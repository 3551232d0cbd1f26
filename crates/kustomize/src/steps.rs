//! The transformers that a kustomization file asks for, in kustomize's order.

use manifest::{Value, yaml};

use crate::accumulate::{Build, Layer};
use crate::configure::{self, record, record_one};
use crate::fieldspec::Config;
use crate::kustomization::{Kustomization, Patch, ReplacementEntry};
use crate::load::Location;
use crate::manifests;
use crate::resource::Resource;
use crate::resources::Resources;
use crate::transform::{
    annotations, images, labels, names, namespace, patches, replacements, replicas,
};
use crate::turn::Turn;
use crate::{Error, builtin, decode};

/// The patches of one kustomization file.
#[derive(Default)]
struct Patches {
    strategic: Option<Vec<Resource>>,
    either: Vec<patches::Loaded>,
    json: Vec<patches::LoadedJson>,
}

impl Build<'_> {
    /// Every transformer that a kustomization file asks for, in kustomize's order.
    pub(crate) fn transform(
        &mut self,
        layer: &Layer,
        resources: &mut Resources,
        config: &Config,
    ) -> Result<(), Error> {
        let (file, at) = (&layer.file, &layer.at);
        let patches = self.load_patches(file, at)?;
        if let Some(merged) = &patches.strategic {
            patches::apply_strategic(resources, merged, self.schema())?;
            self.done(layer, resources, "PatchStrategicMergeTransformer");
        }
        for patch in &patches.either {
            patch.apply(resources, self.schema())?;
            self.done(layer, resources, "PatchTransformer");
        }
        if !file.namespace.is_empty() {
            let namespace =
                namespace::Namespace { name: &file.namespace, ..namespace::Namespace::default() };
            namespace::apply(resources, &namespace, &config.namespace)?;
            self.done(layer, resources, "NamespaceTransformer");
        }
        let mut turn = Turn::default();
        if !file.name_prefix.is_empty() {
            let (affix, fields) = (&file.name_prefix, &config.name_prefix);
            turn.then(move |one| names::one(one, affix, names::End::Prefix, fields));
            self.note(layer, "PrefixTransformer", &mut turn);
        }
        if !file.name_suffix.is_empty() {
            let (affix, fields) = (&file.name_suffix, &config.name_suffix);
            turn.then(move |one| names::one(one, affix, names::End::Suffix, fields));
            self.note(layer, "SuffixTransformer", &mut turn);
        }
        if let Err(error) = self.set_labels(layer, config, &mut turn) {
            turn.run(&mut resources.0, self.threads)?;
            return Err(error);
        }
        if !patches.json.is_empty() || !file.replicas.is_empty() {
            std::mem::take(&mut turn).run(&mut resources.0, self.threads)?;
        }
        for patch in &patches.json {
            patch.apply(resources)?;
            self.done(layer, resources, "PatchJson6902Transformer");
        }
        for replica in &file.replicas {
            replicas::apply(resources, replica, &config.replicas)?;
            self.done(layer, resources, "ReplicaCountTransformer");
        }
        for image in &file.images {
            let change = images::Change::new(image);
            turn.then(move |one| change.apply(one, &config.images));
            self.note(layer, "ImageTagTransformer", &mut turn);
        }
        turn.run(&mut resources.0, self.threads)?;
        if !file.replacements.is_empty() {
            let entries = self.replacements(at, &file.replacements).map_err(|error| {
                let config = serde_json::json!({ "Replacements": file.replacements });
                builtin::trouble("ReplacementTransformer", &config, error)
            })?;
            replacements::apply(resources, &entries)?;
            self.done(layer, resources, "ReplacementTransformer");
        }
        Ok(())
    }

    /// Reads every patch before the first is applied.
    fn load_patches(&mut self, file: &Kustomization, at: &Location) -> Result<Patches, Error> {
        let mut patches = Patches::default();
        if let Some(entries) = file.patches_strategic_merge.as_deref().filter(|e| !e.is_empty()) {
            let loaded = patches::load_strategic(entries, &mut self.loader, at);
            patches.strategic = Some(loaded.map_err(|error| {
                let config = serde_json::json!({ "paths": entries });
                builtin::trouble("PatchStrategicMergeTransformer", &config, error)
            })?);
        }
        for entry in &file.patches {
            let loaded = patches::load(entry, &builtin::written(entry), &mut self.loader, at);
            patches
                .either
                .push(loaded.map_err(|e| builtin::trouble("PatchTransformer", entry, e))?);
        }
        for entry in file.patches_json6902.iter().flatten() {
            let loaded = patches::load_json(entry, &mut self.loader, at).map_err(|error| {
                let Patch { path, patch, target, .. } = entry;
                let config = serde_json::json!({ "target": target, "path": path, "jsonOp": patch });
                builtin::trouble("PatchJson6902Transformer", &config, error)
            });
            patches.json.push(loaded?);
        }
        Ok(patches)
    }

    /// Adds the steps that set labels and annotations.
    fn set_labels<'s>(
        &self,
        layer: &'s Layer,
        config: &'s Config,
        turn: &mut Turn<'s>,
    ) -> Result<(), Error> {
        let file = &layer.file;
        for entry in &file.labels {
            let fields = labels::fields(entry, config)?;
            turn.then(move |one| labels::one(one, &entry.pairs, &fields));
            self.note(layer, "LabelTransformer", turn);
        }
        let common = file.common_labels.as_ref().filter(|labels| !labels.is_empty());
        if let Some(common) = common {
            turn.then(|one| labels::one(one, common, &config.common_labels));
        }
        if !file.labels.is_empty() || common.is_some() {
            self.note(layer, "LabelTransformer", turn);
        }
        let texts = &file.common_annotations;
        if !texts.is_empty() {
            turn.then(|one| annotations::one(one, texts, &config.common_annotations));
            self.note(layer, "AnnotationsTransformer", turn);
        }
        Ok(())
    }

    /// Adds the step that notes a transformer.
    fn note(&self, layer: &Layer, kind: &str, turn: &mut Turn<'_>) {
        if let Some(origin) = self.configured_by(layer, kind) {
            turn.then(move |one| {
                record_one(one, &origin);
                Ok(())
            });
        }
    }

    /// Notes a transformer that ran, and drops what it deleted.
    fn done(&self, layer: &Layer, resources: &mut Resources, kind: &str) {
        if let Some(origin) = self.configured_by(layer, kind) {
            record(resources, &origin);
        }
        resources.drop_deleted();
    }

    /// Replaces entries that name a file by what it holds.
    pub(crate) fn replacements(
        &mut self,
        at: &Location,
        entries: &[ReplacementEntry],
    ) -> Result<Vec<ReplacementEntry>, Error> {
        let mut all = Vec::new();
        for entry in entries {
            if entry.path.is_empty() {
                all.push(entry.clone());
                continue;
            }
            let empty = entry.targets.as_ref().is_none_or(Vec::is_empty);
            if entry.source.is_some() || !empty {
                return Err(Error::rule("cannot specify both path and inline replacement"));
            }
            let text = self.loader.load_text(at, &entry.path)?;
            let value = yaml::read_configuration(&text).map_err(|e| configure::not_yaml(&e))?;
            let items = match &value {
                Value::List(items) => items.as_slice(),
                Value::Map(_) => std::slice::from_ref(&value),
                other => {
                    let kind = manifests::go_type(other);
                    return Err(Error::rule(format!(
                        "unsupported replacement type encountered within replacement path: {kind}"
                    )));
                }
            };
            for item in items {
                all.push(decode::lenient(item).map_err(configure::not_json)?);
            }
        }
        Ok(all)
    }
}
