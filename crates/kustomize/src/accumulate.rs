//! Recursion over resources, bases and components: what a kustomization and all below it hold.

use manifest::yaml;

use crate::error::During;
use crate::fieldspec::Fields;
use crate::files::{FilePath, Files};
use crate::generate::hash;
use crate::kustomization::{COMPONENT_KIND, Kustomization, Variable};
use crate::load::{Loader, Location};
use crate::manifests;
use crate::patch::schema::{BuiltIn, Schema};
use crate::resource::{Origin, Resource};
use crate::resources::{Resources, Seen};
use crate::transform::references::References;
use crate::transform::variables;
use crate::turn::Turn;
use crate::{Built, Error, Options, emit};

/// The version of Kubernetes whose kinds are built in.
const BUILT_IN_VERSION: &str = "v1.21.2";

/// One build: its files, its schema and what it has to say.
pub(crate) struct Build<'a> {
    pub(crate) loader: Loader<'a>,
    /// In place of the built-in one.
    schema: Option<Schema>,
    /// Whether the built-in schema has been needed, or will be.
    built_in: BuiltIn,
    /// Kinds of resources that were there before any of them needed the schema.
    met: Vec<(Box<str>, Box<str>)>,
    pub(crate) warnings: Vec<String>,
    root: FilePath,
    has_schema: bool,
    /// Whether the root asks where things come from.
    pub(crate) traced: bool,
    /// How many threads may be used.
    pub(crate) threads: usize,
}

/// What has been gathered so far.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) resources: Resources,
    /// The fields that transformers touch.
    pub(crate) fields: Fields,
    variables: Vec<Variable>,
    /// The identities of the resources, while nothing but adding happens to them.
    seen: Seen,
}

/// One kustomization file where it lies.
pub(crate) struct Layer {
    pub(crate) at: Location,
    pub(crate) file: Kustomization,
    pub(crate) file_name: &'static str,
}

/// Builds a directory.
pub(crate) fn build(files: &dyn Files, root: &FilePath, options: &Options) -> Result<Built, Error> {
    let mut build = Build {
        loader: Loader::new(files, options.load_restriction),
        schema: None,
        built_in: BuiltIn::Absent,
        met: Vec::new(),
        warnings: Vec::new(),
        root: root.clone(),
        has_schema: false,
        traced: false,
        threads: options.threads.get(),
    };
    let at = Location { directory: root.clone(), above: Vec::new() };
    build.loader.confirm(root)?;
    let (file, file_name) = build.loader.kustomization(&at, &mut build.warnings)?;
    build.traced = !file.build_metadata.is_empty();
    let layer = Layer { at, file, file_name };
    build.use_schema_of(&layer)?;
    let mut gathered = build.accumulate(&layer, Gathered::default())?;
    hash::apply(&mut gathered.resources)?;
    let config = gathered.fields.get();
    let resources = &mut gathered.resources;
    let references = References::new(resources, &config.name_reference)?;
    let finish = emit::Finish::new(&layer.file, options);
    let mut turn = Turn::default();
    turn.then(|one| references.update(one));
    if !gathered.variables.is_empty() {
        // The value of a variable is the last that a field has.
        std::mem::take(&mut turn).run(&mut resources.0, build.threads)?;
        variables::resolve(resources, &gathered.variables, &config.var_reference)?;
    }
    emit::order(resources, &layer.file, options)?;
    turn.then(emit::expect_name);
    turn.then(|one| finish.apply(one));
    turn.run(&mut resources.0, build.threads)?;
    resources.drop_deleted();
    let documents = gathered.resources.0.into_iter().map(|resource| resource.value).collect();
    Ok(Built { documents, warnings: build.warnings, threads: build.threads })
}

impl Build<'_> {
    /// The schema of this build.
    pub(crate) fn schema(&mut self) -> &Schema {
        self.built_in = BuiltIn::Before;
        self.schema.as_ref().unwrap_or_else(|| Schema::built_in())
    }

    fn use_schema_of(&mut self, layer: &Layer) -> Result<(), Error> {
        let openapi = &layer.file.openapi;
        let text = match openapi.get("path") {
            Some(path) => Some((path, self.loader.load_text(&layer.at, path)?)),
            None => None,
        };
        // The first schema that is named holds for the whole build.
        if self.has_schema {
            return Ok(());
        }
        let version = openapi.get("version");
        if let Some((path, text)) = text {
            if version.is_some() {
                let text = "builtin version and custom schema provided, cannot use both";
                return Err(Error::rule(text));
            }
            let document = yaml::read_one(&text)
                .map_err(|source| Error::Malformed { file: path.clone(), source })?;
            self.schema = Some(Schema::from_openapi(&document, self.built_in)?);
            self.has_schema = true;
        } else if let Some(version) = version.filter(|version| !version.is_empty()) {
            if version != BUILT_IN_VERSION {
                return Err(Error::rule("the specified OpenAPI version is not built in"));
            }
            self.has_schema = true;
        }
        Ok(())
    }

    fn accumulate(&mut self, layer: &Layer, gathered: Gathered) -> Result<Gathered, Error> {
        let mut gathered = gathered;
        gathered.seen = Seen::default();
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
        self.transform(layer, &mut gathered.resources, gathered.fields.get())?;
        self.transform_as_configured(layer, &mut gathered.resources)?;
        self.validate(layer, &mut gathered.resources)?;
        let new = layer.file.vars.as_deref().unwrap_or_default();
        variables::collect(&mut gathered.resources, &mut gathered.variables, new)
            .during(|| format!("merging vars {}", variables::listed(new)))?;
        Ok(gathered)
    }

    /// Adds a file of objects or a base.
    pub(crate) fn add_entry(
        &mut self,
        layer: &Layer,
        gathered: &mut Gathered,
        entry: &str,
    ) -> Result<(), Error> {
        let file_error = match self.add_file(layer, gathered, entry) {
            Ok(()) => return Ok(()),
            Err(error @ (Error::Limit(_) | Error::Refused(_))) => return Err(error),
            Err(error) => error,
        };
        let step = || format!("accumulation err='{}'", file_error.chain());
        match self.loader.enter(&layer.at, entry) {
            Err(_) if file_error.is_malformed() => Err(file_error),
            Err(error @ Error::Refused(_)) => Err(error),
            Err(error) => Err(error.during(step())),
            Ok(at) => {
                let directory = at.directory().clone();
                let base = self.add_base(at).during(step)?;
                gathered
                    .absorb(base)
                    .during(|| format!("recursed merging from path '{directory}'"))
                    .during(step)
            }
        }
    }

    fn add_file(
        &mut self,
        layer: &Layer,
        gathered: &mut Gathered,
        entry: &str,
    ) -> Result<(), Error> {
        let step = || format!("accumulating resources from '{entry}'");
        let read = |build: &mut Self| {
            let text = build.loader.load_text(&layer.at, entry)?;
            manifests::read(&text, build.threads).map_err(|error| error.in_file(entry))
        };
        let in_step = |error: Error| match error {
            Error::Refused(_) | Error::Limit(_) => error,
            other => other.during(step()),
        };
        let mut more = read(self).map_err(in_step)?;
        if self.traced {
            let path = self.traced_path(&layer.at, entry);
            for resource in &mut more {
                resource.history.origin = Some(Origin { path: path.clone(), ..Origin::default() });
            }
        }
        self.meet(&more);
        gathered.resources.append_to(more, &mut gathered.seen).or_else(|error| {
            // A file that disagrees with itself is no set of resources to begin with.
            Resources::default().append(read(self)?).map_err(in_step)?;
            Err(error.during(format!("merging resources from '{entry}'")))
        })
    }

    /// Kustomize asks its schema where objects live of kinds that it does not know without.
    pub(crate) fn meet(&mut self, resources: &[Resource]) {
        if self.has_schema || self.built_in != BuiltIn::Absent {
            return;
        }
        for resource in resources {
            let kind = (resource.api_version(), resource.kind());
            if self.met.iter().any(|(version, name)| (&**version, &**name) == kind) {
                continue;
            }
            if !Schema::is_object(kind.0, kind.1) {
                self.built_in = BuiltIn::After;
                return;
            }
            self.met.push((kind.0.into(), kind.1.into()));
        }
    }

    /// A path as seen from the directory that is built.
    pub(crate) fn traced_path(&self, at: &Location, name: &str) -> String {
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
            let mut gathered = build
                .accumulate(&component, gathered)
                .during(|| format!("recursed accumulation of path '{directory}'"))?;
            gathered.fields.again()?;
            let merging = || format!("recursed merging from path '{directory}'");
            gathered.resources.gather_anew().during(merging)?;
            Ok(gathered)
        };
        run(self).map_err(|error| match error {
            Error::Limit(_) | Error::Refused(_) => error,
            other => quoted("accumulateDirectory", &other),
        })
    }
}

impl Gathered {
    fn absorb(&mut self, base: Self) -> Result<(), Error> {
        self.resources.append_to(base.resources.0, &mut self.seen)?;
        self.fields.absorb(base.fields)?;
        variables::merge(&mut self.variables, &base.variables)
    }
}
