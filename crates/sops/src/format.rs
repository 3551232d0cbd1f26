//! The formats of documents (kustomization.md, 8).

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
    /// `KEY=value` lines.
    Dotenv,
    /// Sections of keys.
    Ini,
    /// Any bytes, wrapped in JSON.
    Binary,
}

/// The key of a secret for registries, whose content is JSON whatever stands before it.
const DOCKER_CONFIG: &str = ".dockerconfigjson";

impl Format {
    /// By the ending of a file's name, or of a key.
    pub fn of(name: &str) -> Self {
        if name.ends_with(DOCKER_CONFIG) {
            return Self::Json;
        }
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            Some("env") => Self::Dotenv,
            Some("ini") => Self::Ini,
            _ => Self::Binary,
        }
    }

    /// By what encrypted documents of a format hold, whatever their name.
    pub fn marked(bytes: &[u8]) -> Option<Self> {
        let all = [Self::Yaml, Self::Json, Self::Dotenv, Self::Ini];
        all.into_iter().find(|format| format.marks(bytes))
    }

    /// Whether a document of this format is encrypted.
    pub fn marks(self, bytes: &[u8]) -> bool {
        let marker: &[u8] = match self {
            Self::Yaml => b"mac: ENC[",
            Self::Json | Self::Binary => b"\"mac\": \"ENC[",
            Self::Dotenv => b"sops_mac=ENC[",
            Self::Ini => b"[sops]",
        };
        bytes.windows(marker.len()).any(|window| window == marker)
    }

    /// As messages name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Dotenv => "dotenv",
            Self::Ini => "INI",
            Self::Binary => "binary",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_marks_tell_formats_apart() {
        for (name, format) in [
            ("a.yaml", Format::Yaml),
            ("b/a.yml", Format::Yaml),
            ("a.json", Format::Json),
            ("x.dockerconfigjson", Format::Json),
            ("a.env", Format::Dotenv),
            (".env", Format::Dotenv),
            ("a.ini", Format::Ini),
            ("a.YAML", Format::Binary),
            ("yaml", Format::Binary),
        ] {
            assert_eq!(Format::of(name), format, "{name}");
        }
        assert_eq!(Format::marked(b"sops:\n    mac: ENC[AES"), Some(Format::Yaml));
        assert_eq!(Format::marked(b"{\"mac\": \"ENC[AES"), Some(Format::Json));
        assert_eq!(Format::marked(b"a=b\nsops_mac=ENC[AES"), Some(Format::Dotenv));
        assert_eq!(Format::marked(b"plain"), None);
    }
}
