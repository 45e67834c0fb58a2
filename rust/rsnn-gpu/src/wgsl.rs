//! Turns a kernel template into WGSL: `//#if NAME` (or `!NAME`), `//#else`, `//#endif`,
//! `//#include PART`, `${NAME}`, and for strided operands `//#dims A B` (struct fields) and `//#walk A B` (offsets).

use crate::launch::Kernel;
use crate::strided::MAX_RANK;

/// Shared WGSL: number tests and math, indices, workgroup reductions.
const PARTS: &[(&str, &str)] = &[
    ("prelude", include_str!("wgsl_include/prelude.wgsl")),
    ("compare", include_str!("wgsl_include/compare.wgsl")),
    ("index", include_str!("wgsl_include/index.wgsl")),
    ("reduce", include_str!("wgsl_include/reduce.wgsl")),
];

/// The WGSL of one variant. `uniform`: parameters in a uniform slot instead of immediates;
/// `aliased`: all buffers read_write because one is bound twice.
pub fn expand(kernel: &Kernel, uniform: bool, aliased: bool) -> Result<String, String> {
    let params = if uniform { "@group(1) @binding(0) var<uniform>" } else { "var<immediate>" };
    let read = if aliased { "read_write" } else { "read" };
    let lookup = |name: &str| match name {
        "PARAMS" => Some(params),
        "READ" => Some(read),
        _ => kernel.defines.iter().find(|(key, _)| *key == name).map(|(_, value)| *value),
    };
    let mut out = String::with_capacity(kernel.source.len() + 4096);
    expand_into(&mut out, kernel.source, &lookup, 0)?;
    Ok(out)
}

fn expand_into<'a>(
    out: &mut String,
    source: &str,
    lookup: &dyn Fn(&str) -> Option<&'a str>,
    depth: usize,
) -> Result<(), String> {
    if depth > 4 {
        return Err("includes nest too deeply".into());
    }
    // Per open #if: does its current branch apply, counting the branches around it.
    let mut open: Vec<(bool, bool)> = Vec::new();
    for (number, line) in source.lines().enumerate() {
        let at = |text: &str| format!("line {}: {text}", number + 1);
        let active = open.last().is_none_or(|(active, _)| *active);
        let directive = line.trim_start().strip_prefix("//#").map(|d| d.split_once(' ').unwrap_or((d.trim(), "")));
        match directive {
            Some(("if", condition)) => {
                let (name, wanted) = match condition.trim().strip_prefix('!') {
                    Some(name) => (name, false),
                    None => (condition.trim(), true),
                };
                open.push((active && lookup(name).is_some() == wanted, active));
            }
            Some(("else", _)) => {
                let last = open.last_mut().ok_or_else(|| at("#else without #if"))?;
                last.0 = last.1 && !last.0;
            }
            Some(("endif", _)) => {
                open.pop().ok_or_else(|| at("#endif without #if"))?;
            }
            Some(("include", part)) if active => {
                let part = part.trim();
                let (_, text) =
                    PARTS.iter().find(|(name, _)| *name == part).ok_or_else(|| at(&format!("no part {part:?}")))?;
                expand_into(out, text, lookup, depth + 1)?;
            }
            Some(("dims", operands)) if active => dims(out, operands),
            Some(("walk", operands)) if active => walk(out, operands, rank(lookup)),
            Some(("include" | "dims" | "walk", _)) => {}
            Some((other, _)) => return Err(at(&format!("unknown directive #{other}"))),
            None if active => {
                substitute(out, line, lookup).map_err(|e| at(&e))?;
                out.push('\n');
            }
            None => {}
        }
    }
    if open.is_empty() { Ok(()) } else { Err("#if without #endif".into()) }
}

/// The rank that `Strided::defines` stated.
fn rank<'a>(lookup: &dyn Fn(&str) -> Option<&'a str>) -> usize {
    1 + ["R2", "R3", "R4", "R5", "R6"].iter().filter(|name| lookup(name).is_some()).count()
}

/// Fields of `struct P` in the order of `Strided::write`: sizes s0 to s5, then six strides of each operand.
fn dims(out: &mut String, operands: &str) {
    for name in std::iter::once("s").chain(operands.split_whitespace()) {
        (0..MAX_RANK).for_each(|d| out.extend([name, &d.to_string(), ": u32, "]));
        out.push('\n');
    }
}

/// Takes the row-major position `i` apart and adds each operand's part to `<operand>_at`; uses up `i`.
fn walk(out: &mut String, operands: &str, rank: usize) {
    for d in (MAX_RANK - rank..MAX_RANK).rev() {
        let outermost = d == MAX_RANK - rank;
        let steps = operands
            .split_whitespace()
            .map(|name| format!(" {name}_at += {} * p.{name}{d};", if outermost { "i" } else { "r" }));
        let steps: String = steps.collect();
        out.push_str(&match outermost {
            true => format!("{{{steps} }}\n"),
            false => format!("{{ let q = i / p.s{d}; let r = i - q * p.s{d};{steps} i = q; }}\n"),
        });
    }
}

fn substitute<'a>(out: &mut String, line: &str, lookup: &dyn Fn(&str) -> Option<&'a str>) -> Result<(), String> {
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}').ok_or("${ without }")?;
        out.push_str(before);
        out.push_str(lookup(name).ok_or_else(|| format!("no value for ${{{name}}}"))?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(())
}

/// Parses and validates every form of `kernel` with naga; no GPU needed.
#[cfg(any(test, feature = "validate"))]
pub fn validate(kernel: &Kernel) -> Result<(), String> {
    for (uniform, aliased) in [(false, false), (false, true), (true, false), (true, true)] {
        let source = expand(kernel, uniform, aliased).map_err(|e| format!("{}: {e}", kernel.name))?;
        validate_source(&source).map_err(|e| format!("{} {:?}: {e}", kernel.name, kernel.defines))?;
    }
    Ok(())
}

/// Parses and validates WGSL text with naga.
#[cfg(any(test, feature = "validate"))]
pub fn validate_source(source: &str) -> Result<(), String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let capabilities = naga::valid::Capabilities::IMMEDIATES;
    naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities)
        .validate(&module)
        .map(|_| ())
        .map_err(|e| e.emit_to_string(source))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn text(source: &'static str, defines: &[(&str, &str)]) -> Result<String, String> {
        expand(&Kernel { name: "test", source, defines }, false, false)
    }

    #[test]
    fn branches_nest_and_values_substitute() {
        let source =
            "//#if A\na ${A}\n//#if B\nb\n//#else\nnot b\n//#endif\n//#else\nnot a\n//#endif\n//#if !B\nend\n//#endif";
        assert_eq!(text(source, &[("A", "1")]).unwrap(), "a 1\nnot b\nend\n");
        assert_eq!(text(source, &[("B", "")]).unwrap(), "not a\n");
        assert_eq!(text(source, &[("A", "x"), ("B", "")]).unwrap(), "a x\nb\n");
    }

    #[test]
    fn walks_follow_the_rank() {
        assert_eq!(text("//#walk x", &[]).unwrap(), "{ x_at += i * p.x5; }\n");
        let two = text("//#walk x o", &[("R2", "")]).unwrap();
        assert_eq!(
            two,
            "{ let q = i / p.s5; let r = i - q * p.s5; x_at += r * p.x5; o_at += r * p.o5; i = q; }\n\
             { x_at += i * p.x4; o_at += i * p.o4; }\n"
        );
        assert!(text("//#dims x", &[]).unwrap().starts_with("s0: u32, s1: u32, "));
    }

    #[test]
    fn mistakes_are_errors() {
        assert!(text("x ${NOPE}", &[]).unwrap_err().contains("NOPE"));
        assert!(text("//#if A", &[]).is_err());
        assert!(text("//#endif", &[]).is_err());
        assert!(text("//#include nothing", &[]).is_err());
        assert!(text("//#when A", &[]).is_err());
        assert!(validate_source("fn f() -> f32 { return 1; ").is_err());
    }

    #[test]
    fn every_part_is_valid_wgsl() {
        for (name, _) in PARTS {
            let source = format!("{}//#include {name}", if *name == "compare" { "//#include prelude\n" } else { "" });
            let mut out = String::new();
            expand_into(&mut out, &source, &|_| None, 0).unwrap();
            validate_source(&out).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}
