//! What the files and objects that configure a build ask for: fields, generators, transformers,
//! validators.

use std::borrow::Cow;

use manifest::yaml;

use crate::accumulate::{Build, Gathered, Layer};
use crate::error::During;
use crate::fieldspec::Config;
use crate::generate::data;
use crate::kustomization::Kustomization;
use crate::manifests;
use crate::resource::{Origin, Resource};
use crate::resources::Resources;
use crate::{Error, builtin, decode, definitions};

/// The label that a validator may leave behind.
const VALIDATED_BY: &str = "validated-by";

pub(crate) fn not_yaml(error: &yaml::Error) -> Error {
    Error::rule(error.to_string()).during("error converting YAML to JSON")
}

pub(crate) fn not_json(text: String) -> Error {
    Error::rule(text).during("error unmarshaling JSON: while decoding JSON")
}

impl Build<'_> {
    /// Reads `configurations` and `crds`.
    pub(crate) fn configure(
        &mut self,
        layer: &Layer,
        gathered: &mut Gathered,
    ) -> Result<(), Error> {
        let mut configured = Config::default();
        for path in &layer.file.configurations {
            let text = self.loader.load_text(&layer.at, path)?;
            let value = yaml::read_configuration(&text).map_err(|error| not_yaml(&error))?;
            let mut config: Config = decode::strict(&value).map_err(not_json)?;
            config.sort();
            configured.merge(&config)?;
        }
        let mut config = Cow::Borrowed(Config::defaults());
        if !layer.file.configurations.is_empty() {
            config.to_mut().merge(&configured)?;
        }
        gathered.fields.merge(config)?;
        for path in &layer.file.crds {
            self.fields_of_definitions(layer, gathered, path)
                .during(|| format!("loading CRDs [{}]", layer.file.crds.join(" ")))?;
        }
        Ok(())
    }

    fn fields_of_definitions(
        &mut self,
        layer: &Layer,
        gathered: &mut Gathered,
        path: &str,
    ) -> Result<(), Error> {
        let text = self.loader.load_text(&layer.at, path)?;
        let step = || format!("unable to parse open API definition from '{path}'");
        let value =
            yaml::read_configuration(&text).map_err(|error| not_yaml(&error)).during(step)?;
        let config = definitions::fields(&value).map_err(not_json).during(step)?;
        gathered.fields.merge(Cow::Owned(config))
    }

    /// Runs the generators of a kustomization file.
    pub(crate) fn generate(
        &mut self,
        layer: &Layer,
        resources: &mut Resources,
    ) -> Result<(), Error> {
        let file = &layer.file;
        refuse_charts(file)?;
        let kinds = [
            (data::Kind::ConfigMap, "ConfigMapGenerator", &file.config_map_generator),
            (data::Kind::Secret, "SecretGenerator", &file.secret_generator),
        ];
        let configs = self
            .configurations(layer, &file.generators)
            .during(|| "loading generator plugins".to_owned())?;
        for config in &configs {
            builtin::expect_generator(config)
                .during(|| "loading generator plugins: failed to load generator".to_owned())?;
        }
        for (kind, name, entries) in kinds {
            for arguments in entries {
                let arguments = data::with_defaults(arguments, file.generator_options.as_ref());
                let mut made = data::generate(&mut self.loader, &layer.at, kind, &arguments)?;
                made.history.origin = self.configured_by(layer, name);
                resources.absorb(made).during(|| "merging from generator".to_owned())?;
            }
        }
        for config in configs {
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
        let mut named = Vec::new();
        for entry in entries {
            let Ok(mut inline) = manifests::read(entry, 1) else {
                named.push(entry);
                continue;
            };
            let path = self.traced_path(&layer.at, layer.file_name);
            for resource in inline.iter_mut().filter(|_| self.traced) {
                resource.history.origin = Some(Origin { path: path.clone(), ..Origin::default() });
            }
            self.meet(&inline);
            gathered.resources.append(inline)?;
        }
        for entry in named {
            self.add_entry(layer, &mut gathered, entry)?;
        }
        Ok(gathered.resources.0)
    }

    /// Runs the transformers that are configuration objects.
    pub(crate) fn transform_as_configured(
        &mut self,
        layer: &Layer,
        resources: &mut Resources,
    ) -> Result<(), Error> {
        for config in self.configurations(layer, &layer.file.transformers)? {
            builtin::transform(self, &layer.at, &config, resources)?;
            if let Some(origin) = Self::configured_as(&config) {
                record(resources, &origin);
            }
            resources.drop_deleted();
        }
        Ok(())
    }

    /// Runs the transformers that may add a label that says so, and nothing else.
    pub(crate) fn validate(
        &mut self,
        layer: &Layer,
        resources: &mut Resources,
    ) -> Result<(), Error> {
        for config in self.configurations(layer, &layer.file.validators)? {
            let before: Vec<_> = resources.0.iter().map(|one| one.value.clone()).collect();
            builtin::transform(self, &layer.at, &config, resources)?;
            if before.len() != resources.0.len() {
                let text = "validator shouldn't modify the resource map: lists have different \
                            number of entries";
                return Err(Error::rule(text));
            }
            for (before, after) in before.iter().zip(&resources.0) {
                let mut labels = after.texts("labels");
                labels.retain(|(key, _)| key != VALIDATED_BY);
                let mut unlabelled = after.clone();
                unlabelled.set_texts("labels", labels);
                let (before, after) = (yaml::to_json(before), yaml::to_json(&unlabelled.value));
                if before != after {
                    return Err(Error::rule(format!(
                        "validator shouldn't modify the resource map: nodes unequal: \n -- \
                         {before},\n -- {after}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The origin of what a field of a kustomization file makes or changes.
    pub(crate) fn configured_by(&self, layer: &Layer, kind: &str) -> Option<Origin> {
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
}

/// Charts are not inflated: that takes a program.
fn refuse_charts(file: &Kustomization) -> Result<(), Error> {
    let mut charts = file.helm_charts.iter().chain(&file.helm_chart_inflation_generator);
    let Some(chart) = charts.next() else { return Ok(()) };
    let refused = Error::Refused("must specify --enable-helm".to_owned());
    Err(builtin::trouble("HelmChartInflationGenerator", chart, refused))
}

/// Notes a transformer on every resource; one without origin was made by it.
pub(crate) fn record(resources: &mut Resources, origin: &Origin) {
    for resource in resources.iter_mut() {
        record_one(resource, origin);
    }
}

/// Notes a transformer on a resource.
pub(crate) fn record_one(resource: &mut Resource, origin: &Origin) {
    if resource.history.origin.is_none() {
        resource.history.origin = Some(origin.clone());
    } else {
        resource.history.transformations.push(origin.clone());
    }
    resource.shared.part_annotations();
}
