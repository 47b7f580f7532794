/** The public interface of libusb 1.0 (libusb.h), for machines with 64-bit pointers and little-endian words. */

/** enum libusb_error. */
export const LibusbError = {
  IO: -1,
  INVALID_PARAM: -2,
  ACCESS: -3,
  NO_DEVICE: -4,
  NOT_FOUND: -5,
  BUSY: -6,
  TIMEOUT: -7,
  OVERFLOW: -8,
  PIPE: -9,
  INTERRUPTED: -10,
  NO_MEM: -11,
  NOT_SUPPORTED: -12,
  OTHER: -99,
} as const;

/** enum libusb_transfer_status. */
export const LibusbStatus = {
  COMPLETED: 0,
  ERROR: 1,
  TIMED_OUT: 2,
  CANCELLED: 3,
  STALL: 4,
  NO_DEVICE: 5,
  OVERFLOW: 6,
} as const;

/** enum libusb_capability. */
export const LibusbCapability = { HAS_HOTPLUG: 0x0001 } as const;

/** Parameters of libusb_hotplug_register_callback: both events, without those that are there, of any device. */
export const HOTPLUG_EVENTS = 0x01 | 0x02;
export const HOTPLUG_ANY = -1;

/** enum libusb_transfer_flags. */
export const ADD_ZERO_PACKET = 0x08;

/** struct libusb_transfer. */
export const TransferField = {
  devHandle: 0,
  flags: 8,
  endpoint: 9,
  type: 10,
  timeout: 12,
  status: 16,
  length: 20,
  actualLength: 24,
  callback: 32,
  userData: 40,
  buffer: 48,
  numIsoPackets: 56,
  /** struct libusb_iso_packet_descriptor, one behind the other. */
  packets: 60,
} as const;
export const TRANSFER_BYTES = 64;

/** struct libusb_iso_packet_descriptor. */
export const PacketField = { length: 0, actualLength: 4, status: 8 } as const;
export const PACKET_BYTES = 12;

/** struct libusb_device_descriptor has the fields of the device's own, one behind the other. */
export const DEVICE_DESCRIPTOR_BYTES = 18;

/** struct libusb_config_descriptor. What is before the pointers is as the device sends it; so it is in the next two. */
export const ConfigurationField = { interfaceCount: 4, interfaces: 16, extra: 24, extraLength: 32 } as const;
export const CONFIGURATION_BYTES = 40;

/** struct libusb_interface. */
export const InterfaceField = { settings: 0, settingCount: 8 } as const;
export const INTERFACE_BYTES = 16;

/** struct libusb_interface_descriptor. */
export const SettingField = { endpointCount: 4, endpoints: 16, extra: 24, extraLength: 32 } as const;
export const SETTING_BYTES = 40;

/** struct libusb_endpoint_descriptor. */
export const EndpointField = { extra: 16, extraLength: 24 } as const;
export const ENDPOINT_BYTES = 32;

/** struct libusb_pollfd. */
export const PollField = { fd: 0, events: 4 } as const;
export const POLL_BYTES = 8;
export const POLLIN = 0x1;
export const POLLOUT = 0x4;

/** As many ports as USB has on the way to a device. */
export const PORTS_MAX = 7;
