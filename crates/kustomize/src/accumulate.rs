//! Recursion over resources, bases and components: what a kustomization and all below it hold.

use manifest::{Value, yaml};

use crate::error::During;
use crate::fieldspec::Config;
use crate::files::{FilePath, Files};
use crate::generate::{data, hash};
use crate::kustomization::{COMPONENT_KIND, Kustomization, ReplacementEntry, Variable, decode};
use crate::load::{Loader, Location, is_remote};
use crate::patch::schema::Schema;
use crate::resource::{Origin, Resource};
use crate::resources::{self, Resources};
use crate::transform::{
    annotations, images, labels, names, namespace, patches, references, replacements, replicas,
    variables,
};
use crate::{Built, Error, Options, builtin, emit};

/// One build: its files, its schema and what it has to say.
pub(crate) struct Build<'a> {
    pub(crate) loader: Loader<'a>,
    pub(crate) schema: Schema,
    pub(crate) defaults: Config,
    warnings: Vec<String>,
    root: FilePath,
    has_schema: bool,
    /// Whether the root asks where things come from.
    traced: bool,
}

/// What has been gathered so far.
#[derive(Default)]
struct Gathered {
    resources: Resources,
    /// Fields configured beyond the defaults.
    config: Config,
    variables: Vec<Variable>,
}

/// One kustomization file where it lies.
struct Layer {
    at: Location,
    file: Kustomization,
    file_name: &'static str,
}

/// Builds a directory.
pub(crate) fn build(files: &dyn Files, root: &FilePath, options: &Options) -> Result<Built, Error> {
    let mut build = Build {
        loader: Loader::new(files, options.load_restriction),
        schema: Schema::built_in(),
        defaults: Config::defaults(),
        warnings: Vec::new(),
        root: root.clone(),
        has_schema: false,
        traced: false,
    };
    let at = Location { directory: root.clone(), above: Vec::new() };
    if files.kind(root).is_none() {
        let problem =
            format!("evalsymlink failure on '{root}' : lstat {root}: no such file or directory");
        return Err(Error::File { problem });
    }
    let (file, file_name) = build.loader.kustomization(&at, &mut build.warnings)?;
    build.traced = !file.build_metadata.is_empty();
    let layer = Layer { at, file, file_name };
    build.use_schema_of(&layer)?;
    let mut gathered = build.accumulate(&layer, Gathered::default())?;
    add_hashes(&mut gathered.resources);
    let config = build.defaults.with(&gathered.config)?;
    references::apply(&mut gathered.resources, &config.name_reference)?;
    variables::resolve(&mut gathered.resources, &gathered.variables, &config.var_reference)?;
    emit::drop_local(&mut gathered.resources)?;
    let documents = emit::finish(gathered.resources, &layer.file, options)?;
    Ok(Built { documents, warnings: build.warnings })
}

fn add_hashes(resources: &mut Resources) {
    for resource in resources.iter_mut().filter(|resource| resource.history.needs_hash) {
        let name = format!("{}-{}", resource.name(), hash::suffix(&resource.value));
        resource.remember_id();
        resource.set_name(&name);
    }
}

impl Build<'_> {
    fn use_schema_of(&mut self, layer: &Layer) -> Result<(), Error> {
        let Some(path) = layer.file.openapi.get("path") else { return Ok(()) };
        if layer.file.openapi.get("version").is_some_and(|version| !version.is_empty()) {
            return Err(Error::rule("builtin version and custom schema provided, cannot use both"));
        }
        let text = self.loader.load_text(&layer.at, path)?;
        let document = yaml::read_one(&text)
            .map_err(|source| Error::Malformed { file: path.clone(), source })?;
        // The first schema that is named holds for the whole build.
        if !std::mem::replace(&mut self.has_schema, true) {
            self.schema = Schema::from_openapi(&document)?;
        }
        Ok(())
    }

    fn accumulate(&mut self, layer: &Layer, gathered: Gathered) -> Result<Gathered, Error> {
        let mut gathered = gathered;
        for entry in &layer.file.resources {
            self.add_entry(layer, &mut gathered, entry)
                .during(|| "accumulating resources".to_owned())?;
        }
        self.configure(layer, &mut gathered)?;
        self.generate(layer, &mut gathered.resources)?;
        for entry in &layer.file.components {
            gathered = self
                .add_component(layer, gathered, entry)
                .during(|| "accumulating components".to_owned())?;
        }
        let config = self.defaults.with(&gathered.config)?;
        self.transform(layer, &mut gathered.resources, &config)?;
        self.transform_as_configured(layer, &mut gathered.resources, &layer.file.transformers)?;
        let mut validated = gathered.resources.clone();
        self.transform_as_configured(layer, &mut validated, &layer.file.validators)?;
        let new = layer.file.vars.as_deref().unwrap_or_default();
        variables::collect(&mut gathered.resources, &mut gathered.variables, new)
            .during(|| "merging vars".to_owned())?;
        Ok(gathered)
    }

    /// Adds a file of objects or a base.
    fn add_entry(
        &mut self,
        layer: &Layer,
        gathered: &mut Gathered,
        entry: &str,
    ) -> Result<(), Error> {
        let file_error = match self.add_file(layer, &mut gathered.resources, entry) {
            Ok(()) => return Ok(()),
            Err(error @ (Error::Limit(_) | Error::Refused(_))) => return Err(error),
            Err(error) if is_remote(entry) => return Err(error),
            Err(error) => error,
        };
        let step = || format!("accumulation err='{}'", file_error.chain());
        match self.loader.enter(&layer.at, entry) {
            Err(_) if file_error.is_malformed() => Err(file_error),
            Err(error @ Error::Refused(_)) => Err(error),
            Err(error) => Err(error.during(step())),
            Ok(at) => {
                let base = self.add_base(at).during(step)?;
                gathered.absorb(base).during(|| format!("recursed merging from path '{entry}'"))
            }
        }
    }

    fn add_file(
        &mut self,
        layer: &Layer,
        resources: &mut Resources,
        entry: &str,
    ) -> Result<(), Error> {
        let step = || format!("accumulating resources from '{entry}'");
        let read = |build: &mut Self| {
            let text = build.loader.load_text(&layer.at, entry)?;
            resources::read(&text).map_err(|error| error.in_file(entry))
        };
        let mut more = read(self).map_err(|error| match error {
            Error::Refused(_) | Error::Limit(_) => error,
            other => other.during(step()),
        })?;
        if self.traced {
            let path = self.traced_path(&layer.at, entry);
            for resource in &mut more {
                resource.history.origin = Some(Origin { path: path.clone(), ..Origin::default() });
            }
        }
        resources.append(more).during(|| format!("merging resources from '{entry}'"))
    }

    /// A path as seen from the directory that is built.
    fn traced_path(&self, at: &Location, name: &str) -> String {
        at.directory().join_clamped(name).relative_to(&self.root)
    }

    fn enter(&mut self, at: Location) -> Result<Layer, Error> {
        let directory = at.directory().to_string();
        let (file, file_name) = self
            .loader
            .kustomization(&at, &mut self.warnings)
            .during(|| format!("couldn't make target for path '{directory}'"))?;
        let layer = Layer { at, file, file_name };
        self.use_schema_of(&layer)?;
        Ok(layer)
    }

    fn add_base(&mut self, at: Location) -> Result<Gathered, Error> {
        let layer = self.enter(at)?;
        let directory = layer.at.directory();
        if layer.file.kind == COMPONENT_KIND {
            let text = format!("expected kind != '{COMPONENT_KIND}' for path '{directory}'");
            return Err(Error::rule(text));
        }
        self.accumulate(&layer, Gathered::default())
            .during(|| format!("recursed accumulation of path '{directory}'"))
    }

    /// Lets a component work on everything gathered so far.
    fn add_component(
        &mut self,
        layer: &Layer,
        gathered: Gathered,
        entry: &str,
    ) -> Result<Gathered, Error> {
        let quoted =
            |step: &str, error: &Error| Error::rule(format!("{step}: {:?}", error.chain()));
        let at = self.loader.enter(&layer.at, entry).map_err(|error| match error {
            Error::Refused(_) => error,
            other => Error::rule(format!("loader.New {:?}", other.chain())),
        })?;
        let run = |build: &mut Self| {
            let component = build.enter(at)?;
            let directory = component.at.directory();
            if component.file.kind != COMPONENT_KIND {
                let kind = &component.file.kind;
                return Err(Error::rule(format!(
                    "expected kind '{COMPONENT_KIND}' for path '{directory}' but got '{kind}'"
                )));
            }
            build
                .accumulate(&component, gathered)
                .during(|| format!("recursed accumulation of path '{directory}'"))
        };
        run(self).map_err(|error| match error {
            Error::Limit(_) | Error::Refused(_) => error,
            other => quoted("accumulateDirectory", &other),
        })
    }

    /// Reads `configurations` and `crds`.
    fn configure(&mut self, layer: &Layer, gathered: &mut Gathered) -> Result<(), Error> {
        for path in &layer.file.configurations {
            let text = self.loader.load_text(&layer.at, path)?;
            let value = yaml::read_configuration(&text)
                .map_err(|source| Error::Malformed { file: path.clone(), source })?;
            let config: Config = decode(value).map_err(Error::rule)?;
            gathered.config.merge(&config).during(|| "merging config".to_owned())?;
        }
        for path in &layer.file.crds {
            let text = self.loader.load_text(&layer.at, path)?;
            let value = yaml::read_configuration(&text).map_err(|source| {
                Error::Malformed { file: path.clone(), source }
                    .during(format!("unable to parse open API definition from '{path}'"))
            })?;
            let config = builtin::config_of_definitions(&value);
            gathered.config.merge(&config).during(|| "merging CRDs".to_owned())?;
        }
        Ok(())
    }

    fn generate(&mut self, layer: &Layer, resources: &mut Resources) -> Result<(), Error> {
        let file = &layer.file;
        let kinds = [
            (data::Kind::ConfigMap, "ConfigMapGenerator", &file.config_map_generator),
            (data::Kind::Secret, "SecretGenerator", &file.secret_generator),
        ];
        for (kind, name, entries) in kinds {
            for arguments in entries {
                let arguments = data::with_defaults(arguments, file.generator_options.as_ref());
                let mut made = data::generate(&mut self.loader, &layer.at, kind, &arguments)?;
                made.history.origin = self.configured_by(layer, name);
                resources.absorb(made).during(|| "merging from generator".to_owned())?;
            }
        }
        if !file.helm_charts.is_empty() || !file.helm_chart_inflation_generator.is_empty() {
            return Err(Error::Refused("must specify --enable-helm".to_owned())
                .during("trouble configuring builtin HelmChartInflationGenerator"));
        }
        for config in self.configurations(layer, &file.generators)? {
            let mut made = builtin::generate(&mut self.loader, &layer.at, &config)?;
            if made.history.origin.is_none() {
                made.history.origin = Self::configured_as(&config);
            }
            resources.absorb(made).during(|| "merging from generator".to_owned())?;
        }
        Ok(())
    }

    /// Built-in generators and transformers written as configuration objects.
    fn configurations(
        &mut self,
        layer: &Layer,
        entries: &[String],
    ) -> Result<Vec<Resource>, Error> {
        let mut gathered = Gathered::default();
        for entry in entries {
            let Ok(mut inline) = resources::read(entry) else { continue };
            let path = self.traced_path(&layer.at, layer.file_name);
            for resource in inline.iter_mut().filter(|_| self.traced) {
                resource.history.origin = Some(Origin { path: path.clone(), ..Origin::default() });
            }
            gathered.resources.append(inline)?;
        }
        for entry in entries.iter().filter(|entry| resources::read(entry).is_err()) {
            self.add_entry(layer, &mut gathered, entry)?;
        }
        Ok(gathered.resources.0)
    }

    fn transform_as_configured(
        &mut self,
        layer: &Layer,
        resources: &mut Resources,
        entries: &[String],
    ) -> Result<(), Error> {
        for config in self.configurations(layer, entries)? {
            builtin::transform(self, &layer.at, &config, resources)?;
            if let Some(origin) = Self::configured_as(&config) {
                record(resources, &origin);
            }
            resources.drop_deleted();
        }
        Ok(())
    }

    /// The origin of what a field of a kustomization file makes or changes.
    fn configured_by(&self, layer: &Layer, kind: &str) -> Option<Origin> {
        self.traced.then(|| Origin {
            path: String::new(),
            configured_in: self.traced_path(&layer.at, layer.file_name),
            configured_by: ["builtin".into(), kind.into(), String::new(), String::new()],
        })
    }

    /// The origin of what a configuration object makes or changes.
    fn configured_as(config: &Resource) -> Option<Origin> {
        let origin = config.history.origin.as_ref()?;
        let (api_version, kind) = (config.api_version().to_owned(), config.kind().to_owned());
        Some(Origin {
            path: String::new(),
            configured_in: origin.path.clone(),
            configured_by: [api_version, kind, config.name(), config.namespace()],
        })
    }

    /// Every transformer that a kustomization file asks for, in kustomize's order.
    fn transform(
        &mut self,
        layer: &Layer,
        resources: &mut Resources,
        config: &Config,
    ) -> Result<(), Error> {
        let (file, at) = (&layer.file, &layer.at);
        if let Some(entries) = file.patches_strategic_merge.as_deref().filter(|e| !e.is_empty()) {
            let (loader, schema) = (&mut self.loader, &self.schema);
            patches::apply_strategic(resources, entries, loader, at, schema)?;
            self.done(layer, resources, "PatchStrategicMergeTransformer");
        }
        for entry in &file.patches {
            patches::apply(resources, entry, &mut self.loader, at, &self.schema)?;
            self.done(layer, resources, "PatchTransformer");
        }
        if !file.namespace.is_empty() {
            let namespace =
                namespace::Namespace { name: &file.namespace, ..namespace::Namespace::default() };
            namespace::apply(resources, &namespace, &config.namespace)?;
            self.done(layer, resources, "NamespaceTransformer");
        }
        if !file.name_prefix.is_empty() {
            names::apply(resources, &file.name_prefix, names::End::Prefix, &config.name_prefix)?;
            self.done(layer, resources, "PrefixTransformer");
        }
        if !file.name_suffix.is_empty() {
            names::apply(resources, &file.name_suffix, names::End::Suffix, &config.name_suffix)?;
            self.done(layer, resources, "SuffixTransformer");
        }
        self.transform_labels(layer, resources, config)?;
        for entry in file.patches_json6902.iter().flatten() {
            patches::apply_json(resources, entry, &mut self.loader, at)?;
            self.done(layer, resources, "PatchJson6902Transformer");
        }
        for replica in &file.replicas {
            replicas::apply(resources, replica, &config.replicas)?;
            self.done(layer, resources, "ReplicaCountTransformer");
        }
        for image in &file.images {
            images::apply(resources, image, &config.images)?;
            self.done(layer, resources, "ImageTagTransformer");
        }
        if !file.replacements.is_empty() {
            let entries = self.replacements(at, &file.replacements)?;
            replacements::apply(resources, &entries)?;
            self.done(layer, resources, "ReplacementTransformer");
        }
        Ok(())
    }

    fn transform_labels(
        &mut self,
        layer: &Layer,
        resources: &mut Resources,
        config: &Config,
    ) -> Result<(), Error> {
        let file = &layer.file;
        for entry in &file.labels {
            labels::apply(resources, &entry.pairs, &labels::fields(entry, config)?)?;
            self.done(layer, resources, "LabelTransformer");
        }
        let common = file.common_labels.clone().unwrap_or_default();
        if !file.labels.is_empty() || !common.is_empty() {
            if !common.is_empty() {
                labels::apply(resources, &common, &config.common_labels)?;
            }
            self.done(layer, resources, "LabelTransformer");
        }
        if !file.common_annotations.is_empty() {
            let fields = &config.common_annotations;
            annotations::apply(resources, &file.common_annotations, fields)?;
            self.done(layer, resources, "AnnotationsTransformer");
        }
        Ok(())
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
            let value = yaml::read_configuration(&text)
                .map_err(|source| Error::Malformed { file: entry.path.clone(), source })?;
            match value {
                Value::List(items) => {
                    for item in items {
                        all.push(decode(item).map_err(Error::rule)?);
                    }
                }
                Value::Map(_) => all.push(decode(value).map_err(Error::rule)?),
                _ => {
                    return Err(Error::rule(
                        "unsupported replacement type encountered within replacement path: invalid",
                    ));
                }
            }
        }
        Ok(all)
    }
}

impl Gathered {
    fn absorb(&mut self, base: Self) -> Result<(), Error> {
        self.resources.append(base.resources.0)?;
        self.config.merge(&base.config)?;
        variables::merge(&mut self.variables, &base.variables)
    }
}

/// Notes a transformer on every resource; one without origin was made by it.
fn record(resources: &mut Resources, origin: &Origin) {
    for resource in resources.iter_mut() {
        match resource.history.origin {
            None => resource.history.origin = Some(origin.clone()),
            Some(_) => resource.history.transformations.push(origin.clone()),
        }
        resource.shared.part_annotations();
    }
}
