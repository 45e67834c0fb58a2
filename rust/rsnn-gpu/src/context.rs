//! The process-wide wgpu instance and one context per adapter. Neither is ever dropped:
//! drivers crash when torn down during process exit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::buffers::Pool;
use crate::error::{GpuError, Result};
use crate::pipelines::Pipelines;
use crate::stream::Stream;

/// One opened adapter: its device, queue, memory pool, stream and pipelines.
pub struct Context {
    pub(crate) index: usize,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) limits: wgpu::Limits,
    /// Bytes of immediates a kernel may use; 0 sends all parameters through the uniform slots.
    pub(crate) immediate_size: usize,
    pub(crate) pool: Mutex<Pool>,
    pub(crate) stream: Mutex<Stream>,
    pub(crate) pipelines: Mutex<Pipelines>,
    info: wgpu::AdapterInfo,
    fault: Arc<Fault>,
    pid: u32,
}

/// First error reported from a callback; read at the next call into this crate.
#[derive(Default)]
struct Fault {
    raised: AtomicBool,
    lost: AtomicBool,
    text: Mutex<Option<String>>,
}

impl Fault {
    fn set(&self, text: String, lost: bool) {
        self.text.lock().get_or_insert(text);
        if lost {
            self.lost.store(true, Ordering::Release);
        }
        self.raised.store(true, Ordering::Release);
    }
}

pub(crate) fn flag(name: &str) -> bool {
    std::env::var(name).is_ok_and(|v| !v.is_empty() && v != "0")
}

fn backends() -> wgpu::Backends {
    (wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12).with_env()
}

/// Every usable adapter, discrete cards first, each physical card once.
fn adapters() -> &'static [wgpu::Adapter] {
    static INSTANCE: OnceLock<wgpu::Instance> = OnceLock::new();
    static ADAPTERS: OnceLock<Vec<wgpu::Adapter>> = OnceLock::new();
    ADAPTERS.get_or_init(|| {
        if wgpu::Instance::enabled_backend_features().is_empty() {
            return Vec::new();
        }
        let instance = INSTANCE.get_or_init(|| {
            let mut desc = wgpu::InstanceDescriptor::new_without_display_handle();
            desc.backends = backends();
            desc.flags = wgpu::InstanceFlags::empty().with_env();
            desc.backend_options = desc.backend_options.with_env();
            wgpu::Instance::new(desc)
        });
        usable(pollster::block_on(instance.enumerate_adapters(backends())))
    })
}

fn usable(found: Vec<wgpu::Adapter>) -> Vec<wgpu::Adapter> {
    let software = flag("RSNN_ALLOW_SOFTWARE");
    let wanted = std::env::var("RSNN_ADAPTER").unwrap_or_default().to_lowercase();
    let mut seen = Vec::new();
    let mut kept: Vec<_> = found
        .into_iter()
        .filter(|adapter| {
            let info = adapter.get_info();
            let card = (info.vendor, info.device, info.device_pci_bus_id.clone());
            let new = info.device_pci_bus_id.is_empty() || !seen.contains(&card);
            seen.push(card);
            let compute = adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS);
            let hardware = info.device_type != wgpu::DeviceType::Cpu;
            new && compute && (hardware || software) && info.name.to_lowercase().contains(&wanted)
        })
        .collect();
    kept.sort_by_key(|adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    kept
}

fn no_adapter() -> GpuError {
    GpuError::NoAdapter(format!(
        "gpu: no adapter found (tried {:?}). Check the driver and, on Linux, that libvulkan.so.1 is installed. \
         Variables: VK_DRIVER_FILES (path of the driver's json), WGPU_BACKEND, RSNN_ADAPTER (part of a name), \
         RSNN_ALLOW_SOFTWARE=1 (accept an adapter that runs on the CPU)",
        backends()
    ))
}

/// Whether `Context::get(0)` has an adapter to open.
pub fn is_available() -> bool {
    !adapters().is_empty()
}

pub fn device_count() -> usize {
    adapters().len()
}

/// Name of device `index` as its driver gives it.
pub fn device_name(index: usize) -> Result<String> {
    Ok(adapter(index)?.get_info().name)
}

fn adapter(index: usize) -> Result<&'static wgpu::Adapter> {
    let all = adapters();
    all.get(index).ok_or_else(|| match all.len() {
        0 => no_adapter(),
        count => GpuError::Index { index, count },
    })
}

impl Context {
    /// The context of device `index`, opened on first use and kept for the life of the process.
    pub fn get(index: usize) -> Result<&'static Context> {
        static OPEN: Mutex<Vec<&'static Context>> = Mutex::new(Vec::new());
        let mut open = OPEN.lock();
        if let Some(context) = open.iter().find(|c| c.index == index) {
            if std::process::id() != context.pid {
                return Err(GpuError::Forked);
            }
            return Ok(*context);
        }
        // A child of a process that opened any device must not open another: the driver hangs.
        if open.first().is_some_and(|c| c.pid != std::process::id()) {
            return Err(GpuError::Forked);
        }
        let context: &'static Context = Box::leak(Box::new(Self::open(index, adapter(index)?)?));
        open.push(context);
        Ok(context)
    }

    fn open(index: usize, adapter: &wgpu::Adapter) -> Result<Context> {
        let features = if flag("RSNN_GPU_NO_IMMEDIATES") {
            wgpu::Features::empty()
        } else {
            adapter.features() & wgpu::Features::IMMEDIATES
        };
        let limits = adapter.limits();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("rsnn"),
            required_features: features,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| GpuError::NoAdapter(format!("gpu: cannot open {}: {e}", adapter.get_info().name)))?;
        let fault = Arc::new(Fault::default());
        let seen = fault.clone();
        device.on_uncaptured_error(Arc::new(move |error| seen.set(error.to_string(), false)));
        let seen = fault.clone();
        device.set_device_lost_callback(move |reason, text| seen.set(format!("{reason:?}: {text}"), true));
        let immediate_size = if features.is_empty() { 0 } else { limits.max_immediate_size.min(128) as usize };
        Ok(Context {
            index,
            stream: Mutex::new(Stream::new(&device)),
            pipelines: Mutex::new(Pipelines::default()),
            pool: Mutex::new(Pool::from_env()),
            device,
            queue,
            limits,
            immediate_size,
            info: adapter.get_info(),
            fault,
            pid: std::process::id(),
        })
    }

    pub fn index(&self) -> usize {
        self.index
    }

    pub fn name(&self) -> &str {
        &self.info.name
    }

    pub fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// Bytes of workgroup memory a kernel may declare.
    pub fn workgroup_memory(&self) -> u32 {
        self.limits.max_compute_workgroup_storage_size
    }

    /// Largest tensor one binding can hold, in bytes.
    pub fn max_binding(&self) -> u64 {
        self.limits.max_storage_buffer_binding_size
    }

    pub(crate) fn in_owner_process(&self) -> bool {
        std::process::id() == self.pid
    }

    /// Fails in a forked child, after the device was lost, and once for each deferred error.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.in_owner_process() {
            return Err(GpuError::Forked);
        }
        if !self.fault.raised.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut text = self.fault.text.lock();
        if self.fault.lost.load(Ordering::Acquire) {
            return Err(GpuError::Lost(text.clone().unwrap_or_default()));
        }
        self.fault.raised.store(false, Ordering::Release);
        Err(GpuError::Device(text.take().unwrap_or_default()))
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Context({}, {:?})", self.index, self.info.name)
    }
}
