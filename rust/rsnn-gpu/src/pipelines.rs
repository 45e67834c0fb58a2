//! Compiled kernels by name and variant. Creation runs under one process-wide lock,
//! because concurrent creation crashes some drivers.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::context::{Context, flag};
use crate::error::{GpuError, Result};
use crate::launch::{Binding, Kernel};
use crate::wgsl;

pub(crate) struct Pipeline {
    pub(crate) compute: wgpu::ComputePipeline,
    pub(crate) layout: Arc<Layout>,
}

/// Shared by all kernels with as many bindings of the same kinds.
pub(crate) struct Layout {
    pub(crate) bind_group: wgpu::BindGroupLayout,
    pub(crate) key: LayoutKey,
    pipeline: wgpu::PipelineLayout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LayoutKey {
    pub(crate) count: u32,
    /// Bit i: binding i is writable.
    pub(crate) writable: u32,
    pub(crate) uniform: bool,
}

#[derive(Default)]
pub(crate) struct Pipelines {
    compiled: HashMap<String, Arc<Pipeline>>,
    layouts: HashMap<LayoutKey, Arc<Layout>>,
}

/// Whether a buffer is bound more than once with at least one write.
fn aliased(bindings: &[Binding]) -> bool {
    bindings
        .iter()
        .enumerate()
        .any(|(i, a)| bindings[..i].iter().any(|b| a.buffer.same(b.buffer) && !(a.read_only && b.read_only)))
}

fn layout_key(bindings: &[Binding], uniform: bool) -> LayoutKey {
    let all = aliased(bindings);
    let writable =
        bindings.iter().enumerate().filter(|(_, b)| all || !b.read_only).fold(0, |mask, (i, _)| mask | 1 << i);
    LayoutKey { count: bindings.len() as u32, writable, uniform }
}

fn cache_key(kernel: &Kernel, layout: LayoutKey) -> String {
    let mut key = String::with_capacity(96);
    // Writing to a String cannot fail.
    let _ =
        write!(key, "{}\0{:p}\0{}\0{}\0{}", kernel.name, kernel.source, layout.count, layout.writable, layout.uniform);
    for (name, value) in kernel.defines {
        key.extend(["\0", *name, "=", *value]);
    }
    key
}

impl Context {
    pub(crate) fn pipeline(&self, kernel: &Kernel, bindings: &[Binding], uniform: bool) -> Result<Arc<Pipeline>> {
        let limit = self.limits.max_storage_buffers_per_shader_stage;
        if bindings.len() > limit.min(32) as usize {
            return Err(GpuError::Invalid(format!(
                "{}: {} bindings, expected at most {limit} on this device",
                kernel.name,
                bindings.len()
            )));
        }
        let layout = layout_key(bindings, uniform);
        let key = cache_key(kernel, layout);
        let mut pipelines = self.pipelines.lock();
        if let Some(found) = pipelines.compiled.get(&key) {
            return Ok(found.clone());
        }
        static CREATE: Mutex<()> = Mutex::new(());
        let _one_at_a_time = CREATE.lock();
        let layout = pipelines.layouts.entry(layout).or_insert_with(|| Arc::new(self.layout(layout))).clone();
        let pipeline = Arc::new(self.compile(kernel, layout, aliased(bindings))?);
        pipelines.compiled.insert(key, pipeline.clone());
        Ok(pipeline)
    }

    fn layout(&self, key: LayoutKey) -> Layout {
        let entries: Vec<_> = (0..key.count)
            .map(|i| {
                let read_only = key.writable >> i & 1 == 0;
                buffer_entry(i, wgpu::BufferBindingType::Storage { read_only }, false)
            })
            .collect();
        let bind_group =
            self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let uniform = uniform_layout(&self.device);
        let groups = [Some(&bind_group), key.uniform.then_some(&uniform)];
        let pipeline = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &groups[..if key.uniform { 2 } else { 1 }],
            immediate_size: if key.uniform { 0 } else { self.immediate_size as u32 },
        });
        Layout { bind_group, key, pipeline }
    }

    fn compile(&self, kernel: &Kernel, layout: Arc<Layout>, aliased: bool) -> Result<Pipeline> {
        let fail = |message| GpuError::Shader { kernel: kernel.name.into(), message };
        let source = wgsl::expand(kernel, layout.key.uniform, aliased).map_err(fail)?;
        // RSNN_GPU_CHECKED=0 and =1 override the build's default.
        let by_default = cfg!(debug_assertions) && std::env::var_os("RSNN_GPU_CHECKED").is_none();
        let checks = if by_default || flag("RSNN_GPU_CHECKED") {
            wgpu::ShaderRuntimeChecks::checked()
        } else {
            wgpu::ShaderRuntimeChecks::unchecked()
        };
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(kernel.name),
            source: wgpu::ShaderSource::Wgsl(Cow::Owned(source)),
        };
        // SAFETY: kernels are this project's own: each tests its indices and each loop ends.
        let module = unsafe { self.device.create_shader_module_trusted(descriptor, checks) };
        let compute = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name),
            layout: Some(&layout.pipeline),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        match pollster::block_on(scope.pop()) {
            Some(error) => Err(fail(error.to_string())),
            None => Ok(Pipeline { compute, layout }),
        }
    }
}

pub(crate) fn uniform_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let entries = [buffer_entry(0, wgpu::BufferBindingType::Uniform, true)];
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries })
}

fn buffer_entry(binding: u32, ty: wgpu::BufferBindingType, has_dynamic_offset: bool) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    }
}
