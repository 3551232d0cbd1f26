//! The grammar of variables, and what a substitution makes of an object.
#![allow(clippy::unwrap_used, reason = "a test")]

use kustomize::files::Memory;
use manifest::yaml;
use render::request::{PostBuild, Request, Strategy};
use render::substitute::{Unset, Variables, substitute};

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A template with the value of `v`; none where it is not set.
fn expand(template: &str, v: Option<&str>) -> String {
    let v = v.map(|v| variables(&[("v", v)])).unwrap_or_default();
    String::from_utf8(substitute(template, &v, Unset::Refused).unwrap()).unwrap()
}

/// The objects of a text once its variables are substituted, as text.
fn built(text: &str, strategy: Strategy, pairs: &[(&str, &str)]) -> Result<String, String> {
    let files: Memory = [("a.yaml", text)].into_iter().collect();
    let post_build = PostBuild { strategy, variables: variables(pairs), ..PostBuild::default() };
    let request = Request { post_build: Some(post_build), ..Request::default() };
    let rendered = render::render(&files, &request).map_err(|error| error.to_string())?;
    let texts = rendered.objects().iter().map(|object| yaml::to_string(object.value()));
    Ok(texts.collect::<Vec<_>>().join("---\n"))
}

fn config_map(metadata: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{{metadata}}}\ndata: {{a: '{value}'}}\n")
}

/// ks E08: what does not begin an expression stays; two dollars are one.
#[test]
fn only_expressions_are_special() {
    for (template, expected) in [
        ("$${v}", "${v}"),
        ("$v", "$v"),
        ("a$$b", "a$b"),
        (r"\?", r"\?"),
        ("${v}", "x"),
        ("{v} $ {v}", "{v} $ {v}"),
    ] {
        assert_eq!(expand(template, Some("x")), expected, "{template}");
    }
}

/// ks E10: every operator.
#[test]
fn operators_do_what_a_shell_does() {
    for (template, v, expected) in [
        ("${#v}", "abcde", "5"),
        ("${v^}", "aBc", "ABc"),
        ("${v^^}", "aBc", "ABC"),
        ("${v,}", "ABc", "aBc"),
        ("${v,,}", "ABc", "abc"),
        ("${v:11}", "abcdefghijklmnopqrst", "lmnopqrst"),
        ("${v:11:5}", "abcdefghijklmnopqrst", "lmnop"),
        ("${v:11}", "short", ""),
        ("${v/a/b}", "a-a-a", "b-a-a"),
        ("${v//a/b}", "a-a-a", "b-b-b"),
        ("${v/#a/b}", "a-a-a", "b-a-a"),
        ("${v/#a/b}", "x-a-a", "x-a-a"),
        ("${v/%a/b}", "a-a-a", "a-a-b"),
        ("${v/%a/b}", "a-a-x", "a-a-x"),
        ("${v#*.}", "one.two.three", "two.three"),
        ("${v##*/}", "/one/two/three", "three"),
        ("${v%.*}", "one.two.three", "one.two"),
        ("${v%%.*}", "one.two.three", "one"),
        (r"${v/\//-}", "a/b/c", "a-b/c"),
        (r"${v//\//-}", "a/b/c", "a-b-c"),
    ] {
        assert_eq!(expand(template, Some(v)), expected, "{template} of {v}");
    }
}

/// ks E11: all operators that give a default are the same.
#[test]
fn defaults_are_alike() {
    for template in ["${v:-d}", "${v=d}", "${v:+d}", "${v:?d}", "${v:=d}"] {
        assert_eq!(expand(template, None), "d", "{template}");
        assert_eq!(expand(template, Some("x")), "x", "{template}");
    }
}

/// ks E05: without variables nothing is substituted, unless that was asked for.
#[test]
fn without_variables_expressions_stay() {
    let text = config_map("name: a", "${x:=d}");
    let value = |strategy| built(&text, strategy, &[]).unwrap();
    assert!(value(Strategy::WithVariables).contains("a: ${x:=d}\n"));
    assert!(value(Strategy::Always).contains("a: d\n"));
}

/// ks E06: the word that opts out is exact, as a label and as an annotation.
#[test]
fn objects_may_opt_out() {
    for (field, word, expected) in [
        ("labels", "disabled", "${x}"),
        ("annotations", "disabled", "${x}"),
        ("labels", "Disabled", "z"),
    ] {
        let marker = format!("{field}: {{kustomize.toolkit.fluxcd.io/substitute: {word}}}");
        let text = config_map(&format!("name: a, {marker}"), "${x}");
        let out = built(&text, Strategy::WithVariables, &[("x", "z")]).unwrap();
        assert!(out.contains(&format!("a: {expected}\n")), "{field} {word}: {out}");
    }
}

/// ks E07: a text of digits is a number once it is substituted; quotes and a tag keep it a text.
#[test]
fn digits_become_numbers_unless_they_are_quoted() {
    for (value, n, expected) in [
        ("${n}", "123", "a: 123\n"),
        ("${q}${n}${q}", "123", "a: \"123\"\n"),
        ("${n}", "!!str 123", "a: \"123\"\n"),
    ] {
        let text = config_map("name: a", value);
        let pairs = [("n", n), ("q", "\"")];
        let out = built(&text, Strategy::WithVariables, &pairs).unwrap();
        assert!(out.contains(expected), "{value} of {n}: {out}");
    }
    let nameless = config_map("name: '${n}'", "x");
    let error = built(&nameless, Strategy::WithVariables, &[("n", "123")]).unwrap_err();
    let expected = "failed to decode Kubernetes apiVersion, kind and name from: \
                    ConfigMap.v1.[noGrp]/${n}: missing metadata.name";
    assert_eq!(error, expected);
}

/// ks E09: the name of a variable is checked whether or not anything uses it.
#[test]
fn names_of_variables_are_checked() {
    let text = config_map("name: a", "x");
    let error = built(&text, Strategy::WithVariables, &[("my-key", "")]).unwrap_err();
    let end = "'my-key' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'";
    assert!(error.ends_with(end), "{error}");
    for name in ["_a1", "A", "a_b"] {
        assert!(built(&text, Strategy::WithVariables, &[(name, "")]).is_ok(), "{name}");
    }
}

/// ks E15: the text of a Secret is substituted, what is encoded is not looked into.
#[test]
fn encoded_data_is_left_alone() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {t: '${tok}'}\n\
                data: {d: JHt0b2t9}\n";
    let out = built(text, Strategy::WithVariables, &[("tok", "x")]).unwrap();
    assert!(out.contains("t: x\n") && out.contains("d: JHt0b2t9\n"), "{out}");
}

/// Characters are changed one by one, whatever stands beside them, and are cut where a byte ends.
#[test]
fn characters_are_those_of_the_reference() {
    for (template, v, expected) in [
        ("${v^^}", "straße ᾳ ǰ", "STRAßE ᾼ ǰ"),
        ("${v,,}", "ΟΔΟΣ İ", "οδοσ i"),
        ("${v^}", "ßx", "ßx"),
        ("${v##*本}", "日本語", "語"),
        ("${v#日?}", "日a語", "語"),
        ("${v%語}", "日本語", "日本"),
        ("${v%%?語}", "日a語", "日"),
        ("${v#[^a-z]b}", "日b", ""),
        ("${v#[a-z]b}", "日b", "日b"),
    ] {
        let got = substitute(template, &variables(&[("v", v)]), Unset::Refused).unwrap();
        assert_eq!(String::from_utf8_lossy(&got), expected, "{template} of {v}");
    }
    let cut =
        |template| substitute(template, &variables(&[("v", "日本")]), Unset::Refused).unwrap();
    assert_eq!(cut("${v#?}"), &"日本".as_bytes()[1..]);
    assert_eq!(cut("${v#??}"), &"日本".as_bytes()[2..]);
}

/// security B7: what a template could make without end is refused, with the variable and without
/// its value; what is only large is done in time that grows with it.
#[test]
fn bombs_of_variables_are_refused() {
    let canary = "canary-1b6c".repeat(100_000);
    let small = |times| "${v}".repeat(times);
    let deep = |times: usize| format!("{}x{}", "${u:=".repeat(times), "}".repeat(times));
    let expand = |template: &str| {
        let known = variables(&[("v", &canary), ("e", "")]);
        substitute(template, &known, Unset::Refused).map_err(|error| error.to_string())
    };
    let cases = [
        (small(100), "substituted text exceeds its limit in `${v}`"),
        (format!("${{e:={}}}", small(100)), "substituted text exceeds its limit in `${e}`"),
        ("${v//a/${v}}".into(), "substituted text exceeds its limit in `${v}`"),
        ("${e:${v}}".repeat(200), "work of substitution exceeds its limit in `${v}`"),
        (
            format!("${{v##{}}}", "*x".repeat(1000)),
            "work of substitution exceeds its limit in `${v}`",
        ),
        (deep(1000), "nesting of expressions exceeds its limit"),
        ("${e}".repeat(1_100_000), "number of expressions exceeds its limit"),
        ("${".repeat(1000), "unable to parse variable name"),
        ("${v".repeat(1000), "missing closing brace"),
        ("${v\0}".into(), "missing closing brace"),
        ("${a\0b}".into(), "missing closing brace"),
    ];
    for (template, expected) in cases {
        let shown = &template[..template.len().min(40)];
        assert_eq!(expand(&template).unwrap_err(), expected, "{shown}");
    }
    assert_eq!(expand("${v##*-}").unwrap(), b"1b6c");
    assert_eq!(expand("${v%%c*}").unwrap(), b"");
    assert_eq!(expand(&"${e}".repeat(1_000_000)).unwrap(), b"");
}
