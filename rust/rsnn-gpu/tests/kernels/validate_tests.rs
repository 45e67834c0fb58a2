//! Every variant of every kernel is valid WGSL, checked without a device.

use rsnn_gpu::Kernel;
use rsnn_gpu::wgsl::validate;

use crate::{
    argmax, binary, cast, copy, cross_entropy, dropout, embedding, fill, layer_norm, matmul, optim, softmax, sum, unary, where_,
};

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
    check(fill::KERNEL.source, &vec![]);
    for rank in ranks() {
        for (_, width) in copy::WIDTHS {
            check(copy::SOURCE, &rank.iter().chain(width).copied().collect());
        }
        check(where_::SOURCE, &rank);
        let add = binary::types(binary::In::F32, false, false).into_iter().chain([("EXPR", "a + b")]);
        check(binary::SOURCE, &rank.iter().copied().chain(add).collect());
    }
    for (_, expression) in binary::EXPRESSIONS {
        for vec4 in [false, true] {
            let types = binary::types(binary::In::F32, false, vec4).into_iter();
            check(binary::SOURCE, &types.chain([("EXPR", *expression), ("DENSE", "")]).collect());
        }
    }
    for (_, of, expression) in binary::COMPARISONS {
        let types = binary::types(*of, true, false).into_iter();
        check(binary::SOURCE, &types.chain([("EXPR", *expression), ("R2", "")]).collect());
    }
    for (from, to) in cast::Type::ALL.into_iter().flat_map(|from| cast::Type::ALL.map(|to| (from, to))) {
        check(cast::SOURCE, &cast::defines(from, to));
    }
    for (_, forward, backward) in unary::EXPRESSIONS {
        check_all(unary::SOURCE, &vec![("EXPR", forward)], &["VEC4"]);
        check_all(unary::SOURCE, &vec![("EXPR", backward), ("BACKWARD", "")], &["VEC4"]);
    }
}

#[test]
fn other_variants() {
    check_all(matmul::SOURCE, &vec![], &["BIAS", "A_COLUMNS", "B_COLUMNS"]);
    check_all(softmax::SOURCE, &vec![], &["LOG", "BACKWARD"]);
    check_all(layer_norm::FORWARD, &vec![], &["RMS", "WEIGHT", "BIAS"]);
    check_all(layer_norm::BACKWARD, &vec![], &["RMS", "WEIGHT"]);
    check(layer_norm::BACKWARD_WEIGHT, &vec![]);
    check_all(argmax::SOURCE, &vec![], &["MIN"]);
    check(embedding::SOURCE, &vec![]);
    check(embedding::BACKWARD, &vec![]);
    check(dropout::SOURCE, &vec![]);
    check_all(optim::SOURCE, &vec![], &["ADAM", "AMSGRAD", "DECOUPLED", "MOMENTUM", "NESTEROV"]);
    check_all(cross_entropy::SOURCE, &vec![], &["NLL", "SMOOTH", "BACKWARD"]);
    check_all(cross_entropy::SOURCE, &vec![("WEIGHT", "5")], &["NLL", "SMOOTH", "BACKWARD"]);
    for op in sum::Reduction::ALL {
        check_all(sum::SOURCE, &op.defines().to_vec(), &["ROWS"]);
    }
}
