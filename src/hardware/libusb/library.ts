import { endianness } from "node:os";
import { type ForeignFunction, ForeignLibrary } from "../../linux/foreign-library.ts";

/** libusb, as far as it is used. What it calls a pointer is an address; `out` is an array of one address. */
export interface Libusb {
  /** As in "1.0.28". */
  readonly version: string;
  readonly memory: Pick<ForeignLibrary, "address" | "view" | "text" | "callback">;
  /** A function that transfers can be given to call, and that does nothing but read the transfer. */
  readonly noCallback: number;
  readonly init: ForeignFunction;
  readonly exit: ForeignFunction;
  readonly hasCapability: ForeignFunction;
  readonly getDeviceList: ForeignFunction;
  readonly freeDeviceList: ForeignFunction;
  readonly getBusNumber: ForeignFunction;
  readonly getDeviceAddress: ForeignFunction;
  readonly getPortNumbers: ForeignFunction;
  readonly getDeviceSpeed: ForeignFunction;
  readonly getDeviceDescriptor: ForeignFunction;
  readonly getConfigDescriptor: ForeignFunction;
  readonly getActiveConfigDescriptor: ForeignFunction;
  readonly freeConfigDescriptor: ForeignFunction;
  readonly getStringDescriptorAscii: ForeignFunction;
  readonly open: ForeignFunction;
  readonly close: ForeignFunction;
  readonly kernelDriverActive: ForeignFunction;
  readonly detachKernelDriver: ForeignFunction;
  readonly attachKernelDriver: ForeignFunction;
  readonly claimInterface: ForeignFunction;
  readonly releaseInterface: ForeignFunction;
  readonly setConfiguration: ForeignFunction;
  readonly setInterfaceAltSetting: ForeignFunction;
  readonly clearHalt: ForeignFunction;
  readonly resetDevice: ForeignFunction;
  readonly controlTransfer: ForeignFunction;
  readonly allocTransfer: ForeignFunction;
  readonly freeTransfer: ForeignFunction;
  readonly submitTransfer: ForeignFunction;
  readonly cancelTransfer: ForeignFunction;
  readonly getPollfds: ForeignFunction;
  readonly freePollfds: ForeignFunction;
  readonly handleEvents: ForeignFunction;
  readonly interruptEventHandler: ForeignFunction;
  readonly hotplugRegisterCallback: ForeignFunction;
  readonly errorName: (code: number) => string;
}

/** Where it is, and what a person can do who has none. */
const NAMES: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  linux: ["libusb-1.0.so.0"],
  darwin: [
    "libusb-1.0.dylib",
    "/opt/homebrew/lib/libusb-1.0.dylib",
    "/usr/local/lib/libusb-1.0.dylib",
    "/opt/local/lib/libusb-1.0.dylib",
  ],
  win32: ["libusb-1.0.dll"],
};
const ADVICE: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: "Install it: `sudo apt install libusb-1.0-0`, or your distribution's package of libusb 1.0.",
  darwin: "Install it: `brew install libusb`.",
  win32: "Get libusb-1.0.dll for this machine from https://libusb.info, and put it into a folder of PATH.",
};

let loaded: Libusb | Error | undefined;

/** Loads on first use. Where there is none, the message says what to install. */
export function libusb(): Libusb | Error {
  loaded ??= load(process.platform);
  return loaded;
}

/** Why there is no libusb. */
export function missingMessage(platform: NodeJS.Platform, cause: string): string {
  const advice = ADVICE[platform] ?? "Install libusb 1.0.";
  return `libusb 1.0 cannot be loaded (${cause}). ${advice}`;
}

function load(platform: NodeJS.Platform): Libusb | Error {
  const library = ForeignLibrary.load(NAMES[platform] ?? ["libusb-1.0.so.0", "libusb-1.0.so"]);
  if (library instanceof Error) return new Error(missingMessage(platform, library.message));
  if (library.pointerSize !== 8 || endianness() !== "LE") {
    return new Error(
      "this machine has other structs than the 64-bit little-endian ones that usbferry knows.",
    );
  }
  try {
    return functions(library);
  } catch (error) {
    return new Error(missingMessage(platform, `it is older than 1.0.21: ${(error as Error).message}`));
  }
}

function functions(library: ForeignLibrary): Libusb {
  const f = (declaration: string): ForeignFunction => library.function(declaration);
  const version = new Uint16Array(library.view(f("uintptr_t libusb_get_version()")(), 6));
  const errorName = f("uintptr_t libusb_error_name(int)");
  return {
    version: version.join("."),
    memory: library,
    noCallback: library.symbol("libusb_transfer_get_stream_id"),
    init: f("int libusb_init(void *)"),
    exit: f("void libusb_exit(uintptr_t)"),
    hasCapability: f("int libusb_has_capability(uint32_t)"),
    getDeviceList: f("intptr_t libusb_get_device_list(uintptr_t, void *)"),
    freeDeviceList: f("void libusb_free_device_list(uintptr_t, int)"),
    getBusNumber: f("uint8_t libusb_get_bus_number(uintptr_t)"),
    getDeviceAddress: f("uint8_t libusb_get_device_address(uintptr_t)"),
    getPortNumbers: f("int libusb_get_port_numbers(uintptr_t, _Out_ uint8_t *, int)"),
    getDeviceSpeed: f("int libusb_get_device_speed(uintptr_t)"),
    getDeviceDescriptor: f("int libusb_get_device_descriptor(uintptr_t, _Out_ uint8_t *)"),
    getConfigDescriptor: f("int libusb_get_config_descriptor(uintptr_t, uint8_t, void *)"),
    getActiveConfigDescriptor: f("int libusb_get_active_config_descriptor(uintptr_t, void *)"),
    freeConfigDescriptor: f("void libusb_free_config_descriptor(uintptr_t)"),
    getStringDescriptorAscii: f("int libusb_get_string_descriptor_ascii(uintptr_t, uint8_t, void *, int)"),
    open: f("int libusb_open(uintptr_t, void *)"),
    close: f("void libusb_close(uintptr_t)"),
    kernelDriverActive: f("int libusb_kernel_driver_active(uintptr_t, int)"),
    detachKernelDriver: f("int libusb_detach_kernel_driver(uintptr_t, int)"),
    attachKernelDriver: f("int libusb_attach_kernel_driver(uintptr_t, int)"),
    claimInterface: f("int libusb_claim_interface(uintptr_t, int)"),
    releaseInterface: f("int libusb_release_interface(uintptr_t, int)"),
    setConfiguration: f("int libusb_set_configuration(uintptr_t, int)"),
    setInterfaceAltSetting: f("int libusb_set_interface_alt_setting(uintptr_t, int, int)"),
    clearHalt: f("int libusb_clear_halt(uintptr_t, uint8_t)"),
    resetDevice: f("int libusb_reset_device(uintptr_t)"),
    controlTransfer: f(
      "int libusb_control_transfer(uintptr_t, uint8_t, uint8_t, uint16_t, uint16_t, void *, uint16_t, unsigned int)",
    ),
    allocTransfer: f("uintptr_t libusb_alloc_transfer(int)"),
    freeTransfer: f("void libusb_free_transfer(uintptr_t)"),
    submitTransfer: f("int libusb_submit_transfer(uintptr_t)"),
    cancelTransfer: f("int libusb_cancel_transfer(uintptr_t)"),
    getPollfds: f("uintptr_t libusb_get_pollfds(uintptr_t)"),
    freePollfds: f("void libusb_free_pollfds(uintptr_t)"),
    handleEvents: f("int libusb_handle_events_timeout_completed(uintptr_t, void *, void *)"),
    interruptEventHandler: f("void libusb_interrupt_event_handler(uintptr_t)"),
    hotplugRegisterCallback: f(
      "int libusb_hotplug_register_callback(uintptr_t, int, int, int, int, int, uintptr_t, uintptr_t, _Out_ int *)",
    ),
    errorName: (code) => library.text(errorName(code)),
  };
}
