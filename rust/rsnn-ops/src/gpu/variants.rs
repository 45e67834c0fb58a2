//! Every variant of every kernel is valid WGSL, checked without a device.
#![allow(clippy::unwrap_used)]
use crate::{copy, elementwise, fill, layer_norm, matmul, reduce, select, softmax, unary};
use elementwise::gpu::{COMPARISONS, EXPRESSIONS, In, types};
use rsnn_gpu::Kernel;
use rsnn_gpu::wgsl::validate;

type Defines<'a> = Vec<(&'a str, &'a str)>;

fn check(source: &'static str, defines: &Defines) {
    validate(&Kernel { name: "variant", source, defines }).unwrap();
}

/// All subsets of `flags` on top of `fixed`.
fn check_all(source: &'static str, fixed: &Defines, flags: &[&'static str]) {
    for mask in 0..1 << flags.len() {
        let chosen = flags.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1).map(|(_, f)| (*f, ""));
        check(source, &fixed.iter().copied().chain(chosen).collect());
    }
}

fn ranks() -> impl Iterator<Item = Defines<'static>> {
    const ALL: [(&str, &str); 5] = [("R2", ""), ("R3", ""), ("R4", ""), ("R5", ""), ("R6", "")];
    (0..=5).map(|n| ALL[..n].to_vec())
}

#[test]
fn elementwise_variants() {
    for rank in ranks() {
        let add = types(In::F32, false, false).into_iter().chain([("EXPR", "a + b")]);
        check(elementwise::gpu::SOURCE, &rank.iter().copied().chain(add).collect());
    }
    for (_, expression) in EXPRESSIONS {
        for vec4 in [false, true] {
            let types = types(In::F32, false, vec4).into_iter();
            check(elementwise::gpu::SOURCE, &types.chain([("EXPR", *expression), ("DENSE", "")]).collect());
        }
    }
    for (_, of, expression) in COMPARISONS {
        let types = types(*of, true, false).into_iter();
        check(elementwise::gpu::SOURCE, &types.chain([("EXPR", *expression), ("R2", "")]).collect());
    }
    for (_, forward, backward) in unary::gpu::EXPRESSIONS {
        check_all(unary::gpu::SOURCE, &vec![("EXPR", forward)], &["VEC4"]);
        check_all(unary::gpu::SOURCE, &vec![("EXPR", backward), ("BACKWARD", "")], &["VEC4"]);
    }
}

#[test]
fn copying_variants() {
    check(fill::gpu::KERNEL.source, &vec![]);
    for rank in ranks() {
        for (_, width) in copy::gpu::WIDTHS {
            check(copy::gpu::SOURCE, &rank.iter().chain(width).copied().collect());
        }
        check(select::gpu::SOURCE, &rank);
    }
    let types = copy::gpu::Type::ALL;
    for (from, to) in types.into_iter().flat_map(|from| types.map(|to| (from, to))) {
        check(copy::gpu::CAST, &copy::gpu::defines(from, to));
    }
}

#[test]
fn other_variants() {
    check_all(matmul::gpu::SOURCE, &vec![], &["A_COLUMNS", "B_COLUMNS"]);
    check_all(softmax::gpu::SOURCE, &vec![], &["LOG", "BACKWARD"]);
    for fixed in [vec![], vec![("BIAS", "4")], vec![("WEIGHT", ""), ("BIAS", "5")], vec![("WEIGHT", "")]] {
        check(layer_norm::gpu::FORWARD, &fixed);
    }
    check_all(layer_norm::gpu::BACKWARD, &vec![], &["WEIGHT"]);
    check(layer_norm::gpu::BACKWARD_WEIGHT, &vec![]);
    for kind in [reduce::gpu::Reduction::Sum, reduce::gpu::Reduction::Amax, reduce::gpu::Reduction::Amin] {
        check_all(reduce::gpu::SOURCE, &kind.defines().to_vec(), &["ROWS"]);
    }
}
