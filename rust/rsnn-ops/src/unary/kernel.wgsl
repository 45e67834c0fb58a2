// out[i] = EXPR of x; when BACKWARD of g and what the op saved, be it its input x or its result y; all dense.
// Scalars p.c, p.d and p.e are free for the expression (negative_slope, alpha, min_val, ...).
//#include prelude
//#include index
struct P { n: u32, x_offset: u32, g_offset: u32, o_offset: u32, c: f32, d: f32, e: f32 }
${PARAMS} p: P;
//#if VEC4
@group(0) @binding(0) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(1) var<storage, ${READ}> xs: array<vec4<f32>>;
//#if BACKWARD
@group(0) @binding(2) var<storage, ${READ}> gs: array<vec4<f32>>;
//#endif
//#else
@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@group(0) @binding(1) var<storage, ${READ}> xs: array<f32>;
//#if BACKWARD
@group(0) @binding(2) var<storage, ${READ}> gs: array<f32>;
//#endif
//#endif

//#if BACKWARD
fn f(x: f32, g: f32) -> f32 {
    let y = x;
    return ${EXPR};
}
//#else
fn f(x: f32) -> f32 { return ${EXPR}; }
//#endif

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = flat_index(group, groups, local);
    if (i >= p.n) { return; }
    let x = xs[p.x_offset + i];
//#if BACKWARD
    let g = gs[p.g_offset + i];
//#if VEC4
    out[p.o_offset + i] = vec4<f32>(f(x.x, g.x), f(x.y, g.y), f(x.z, g.z), f(x.w, g.w));
//#else
    out[p.o_offset + i] = f(x, g);
//#endif
//#else
//#if VEC4
    out[p.o_offset + i] = vec4<f32>(f(x.x), f(x.y), f(x.z), f(x.w));
//#else
    out[p.o_offset + i] = f(x);
//#endif
//#endif
}
