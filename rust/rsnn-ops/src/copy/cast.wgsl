// out[i] = x[i] in another type, both dense: F32, I32, I64 (low word first) or BYTE (bool when TO_BOOL, else uint8).
//#include prelude
//#include index
struct P { n: u32, x_offset: u32, o_offset: u32 }
${PARAMS} p: P;
@group(0) @binding(0) var<storage, ${READ}> x: array<${FROM}>;
@group(0) @binding(1) var<storage, read_write> out: array<${TO}>;

fn wide_to_f32(v: vec2<u32>) -> f32 {
    let low = bitcast<i32>(v.x);
    if (bitcast<i32>(v.y) == (low >> 31u)) { return f32(low); }
    return f32(bitcast<i32>(v.y)) * 4294967296.0 + f32(v.x);
}
fn narrow(v: i32) -> vec2<u32> { return vec2<u32>(bitcast<u32>(v), bitcast<u32>(v >> 31u)); }
fn f32_to_wide(v: f32) -> vec2<u32> {
    if (is_nan(v)) { return vec2<u32>(); }
    if (abs(v) < 2147483000.0) { return narrow(i32(v)); }
    let t = clamp_f32(trunc(v), -9.2233715e18, 9.2233715e18);
    let high = floor(t / 4294967296.0);
    return vec2<u32>(u32(t - high * 4294967296.0), bitcast<u32>(i32(high)));
}
fn f32_to_i32(v: f32) -> i32 { return select(i32(clamp_f32(v, -2147483648.0, 2147483520.0)), 0, is_nan(v)); }
fn f32_not_zero(v: f32) -> u32 { return select(0u, 1u, (bitcast<u32>(v) & 0x7fffffffu) != 0u); }

fn convert(at: u32) -> ${RESULT} {
//#if FROM_BYTE
    let v = byte_of(x[(p.x_offset + at) >> 2u], p.x_offset + at);
//#else
    let v = x[p.x_offset + at];
//#endif
    return ${EXPR};
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let at = flat_index(group, groups, local);
//#if TO_BYTE
    if (at * 4u >= p.n) { return; }
    var word = 0u;
    for (var j = 0u; j < 4u && at * 4u + j < p.n; j++) { word |= (convert(at * 4u + j) & 0xffu) << (j * 8u); }
    out[(p.o_offset >> 2u) + at] = word;
//#else
    if (at < p.n) { out[p.o_offset + at] = convert(at); }
//#endif
}
