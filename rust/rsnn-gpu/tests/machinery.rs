//! Buffers, ordering, limits and errors of the machinery itself, on whatever adapter there is.
//! Skips, saying so, without one; RSNN_REQUIRE_GPU=1 makes that a failure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use rsnn_gpu::{Binding, Context, GpuBuffer, GpuError, Kernel, Params, Result, device_count, device_name};

/// The first device, or `None` after printing why the test does nothing.
fn gpu() -> Option<&'static Context> {
    match Context::get(0) {
        Ok(context) => Some(context),
        Err(error) if std::env::var("RSNN_REQUIRE_GPU").is_ok_and(|v| v == "1") => {
            panic!("RSNN_REQUIRE_GPU=1: {error}")
        }
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

fn put(context: &'static Context, values: &[f32]) -> GpuBuffer {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let buffer = context.alloc(bytes.len() as u64).unwrap();
    context.upload(&buffer, 0, &bytes).unwrap();
    buffer
}

fn empty(context: &'static Context, n: usize) -> GpuBuffer {
    put(context, &vec![-777.0; n])
}

fn get(buffer: &GpuBuffer) -> Vec<f32> {
    let bytes = buffer.context().read(buffer, 0, buffer.len(), &mut || false).unwrap();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// Reproducible values in [-scale, scale).
fn random(n: usize, seed: u32, scale: f32) -> Vec<f32> {
    let mut state = u64::from(seed) * 2 + 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale
    };
    (0..n).map(|_| next()).collect()
}

const FILL: Kernel = Kernel {
    name: "fill",
    source: "//#include index
struct P { n: u32, offset: u32, bits: u32 }
${PARAMS} p: P;
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, local);
    if (i < p.n) { out[p.offset + i] = p.bits; }
}",
    defines: &[],
};

const AFFINE: Kernel = Kernel {
    name: "affine",
    source: "struct P { n: u32, a: f32, b: f32 }
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) { if (id.x < p.n) { out[id.x] = p.a * x[id.x] + p.b; } }",
    defines: &[],
};

fn fill(out: &GpuBuffer, offset: usize, n: usize, bits: u32) -> Result<()> {
    let params = Params::new().u32(n as u32).u32(offset as u32).u32(bits);
    out.context().launch_1d(&FILL, &[Binding::write(out)], &params, n as u64)
}

/// `x = a x + b`, in place.
fn affine(x: &GpuBuffer, n: usize, a: f32, b: f32) -> Result<()> {
    x.context().launch_1d(
        &AFFINE,
        &[Binding::read(x), Binding::write(x)],
        &Params::new().u32(n as u32).f32(a).f32(b),
        n as u64,
    )
}

#[test]
fn upload_and_read_any_length() {
    let Some(context) = gpu() else { return };
    for len in [1usize, 3, 4, 7, 255, 257, 70_001] {
        let bytes: Vec<u8> = (0..len).map(|i| (i * 7 % 251) as u8).collect();
        let buffer = context.alloc(len as u64).unwrap();
        context.upload(&buffer, 0, &bytes).unwrap();
        assert_eq!(context.read(&buffer, 0, len as u64, &mut || false).unwrap(), bytes);
        let from = len / 3;
        assert_eq!(context.read(&buffer, from as u64, (len - from) as u64, &mut || false).unwrap(), bytes[from..]);
    }
    let buffer = context.alloc(8).unwrap();
    assert!(context.read(&buffer, 4, 8, &mut || false).unwrap_err().to_string().contains("within 8 bytes"));
    assert!(context.upload(&buffer, 2, &[0; 4]).unwrap_err().to_string().contains("multiple of 4"));
    assert!(context.upload(&buffer, 0, &[0; 3]).is_err());
    assert!(context.read(&buffer, 0, 0, &mut || false).unwrap().is_empty());
}

#[test]
fn work_takes_effect_in_call_order() {
    let Some(context) = gpu() else { return };
    let x = empty(context, 64);
    let y = empty(context, 64);
    for round in 0..300u32 {
        fill(&x, 0, 64, (round as f32).to_bits()).unwrap();
        // An upload between two kernels on one buffer must not overtake the first.
        if round % 50 == 7 {
            context.copy_buffer(&x, 0, &y, 0, 256).unwrap();
            context.upload(&x, 0, &5.5f32.to_le_bytes()).unwrap();
            affine(&x, 64, 2.0, 1.0).unwrap();
            assert_eq!(get(&y)[0], round as f32);
            assert_eq!(get(&x)[..2], [12.0, round as f32 * 2.0 + 1.0]);
        }
    }
    assert_eq!(get(&x), [299.0; 64]);
}

#[test]
fn a_buffer_serves_again_after_drop() {
    let Some(context) = gpu() else { return };
    let odd = 1_234_567;
    drop(context.alloc(odd).unwrap());
    let before = context.memory_stats();
    let again = context.alloc(odd).unwrap();
    let after = context.memory_stats();
    assert!(after.allocated >= odd && after.reserved >= after.allocated && before.reserved > 0);
    drop(again);
    context.empty_cache();
    assert_eq!(get(&put(context, &[1.0, 2.0])), [1.0, 2.0]);
}

#[test]
fn impossible_requests_are_errors() {
    let Some(context) = gpu() else { return };
    let error = context.alloc(1 << 60).unwrap_err();
    assert!(matches!(&error, GpuError::Invalid(_) | GpuError::OutOfMemory { .. }), "{error}");
    let x = empty(context, 4);
    let broken = Kernel { name: "broken", source: "fn main( {", defines: &[] };
    let error = context.launch(&broken, &[Binding::write(&x)], &Params::new(), [1, 1, 1]).unwrap_err();
    assert!(error.to_string().contains("kernel broken did not compile"), "{error}");
    let error = context.launch(&FILL, &[Binding::write(&x)], &Params::new().u32s(&[0; 3]), [65536, 1, 1]).unwrap_err();
    assert!(error.to_string().contains("65535"), "{error}");
    assert!(context.copy_buffer(&x, 0, &x, 8, 4).unwrap_err().to_string().contains("two buffers"));
    // None of them left the device in error.
    assert_eq!(get(&put(context, &[3.0])), [3.0]);
    assert!(device_count() > 0 && !device_name(0).unwrap().is_empty());
    assert!(device_name(99).unwrap_err().to_string().contains("index 99"));
}

#[test]
fn grids_beyond_one_dimension() {
    let Some(context) = gpu() else { return };
    let n = 65_537 * 256 + 3;
    let x = context.alloc(n as u64 * 4).unwrap();
    fill(&x, 0, n, 1.5f32.to_bits()).unwrap();
    fill(&x, n - 1, 1, 2.5f32.to_bits()).unwrap();
    let values = get(&x);
    assert!(values[..n - 1].iter().all(|&v| v == 1.5) && values[n - 1] == 2.5);
}

#[test]
fn parameters_beyond_immediates_use_a_uniform() {
    let Some(context) = gpu() else { return };
    const SOURCE: &str = "struct P { a: array<vec4<u32>, 12>, n: u32 }\n${PARAMS} p: P;\n\
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;\n@compute @workgroup_size(64)\n\
        fn main(@builtin(local_invocation_index) i: u32) { if (i < p.n) { out[i] = p.a[i / 4u][i % 4u]; } }";
    let kernel = Kernel { name: "many", source: SOURCE, defines: &[] };
    let outs: Vec<_> = (0..5u32)
        .map(|round| {
            let words: Vec<u32> = (0..48).map(|i| i * i + round).collect();
            let out = empty(context, 48);
            let params = Params::new().u32s(&words).u32(48);
            context.launch(&kernel, &[Binding::write(&out)], &params, [1, 1, 1]).unwrap();
            (words, out)
        })
        .collect();
    for (words, out) in outs {
        assert_eq!(get(&out).iter().map(|v| v.to_bits()).collect::<Vec<_>>(), words);
    }
}

#[test]
fn threads_share_a_context() {
    let Some(context) = gpu() else { return };
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || {
                for round in 0..10 {
                    let values = random(100 + seed as usize, seed * 31 + round, 2.0);
                    let x = put(context, &values);
                    affine(&x, values.len(), -1.0, 0.0).unwrap();
                    let want: Vec<f32> = values.iter().map(|v| -v).collect();
                    assert_eq!(get(&x), want);
                }
            });
        }
    });
}
