import assert from "node:assert/strict";
import { test } from "node:test";
import * as abi from "./abi.ts";

// As a C compiler prints offsets and sizes of libusb.h 1.0.26, the same on x86-64 and arm64.
const COMPILED = {
  libusb_transfer: { size: 64, flags: 8, endpoint: 9, type: 10, timeout: 12, status: 16, length: 20 },
  results: { actual_length: 24, callback: 32, user_data: 40, buffer: 48, num_iso_packets: 56 },
  iso_packet_desc: 60,
  libusb_iso_packet_descriptor: { size: 12, length: 0, actual_length: 4, status: 8 },
  libusb_device_descriptor: { size: 18 },
  libusb_config_descriptor: { size: 40, bNumInterfaces: 4, interface: 16, extra: 24, extra_length: 32 },
  libusb_interface: { size: 16, altsetting: 0, num_altsetting: 8 },
  libusb_interface_descriptor: { size: 40, bNumEndpoints: 4, endpoint: 16, extra: 24, extra_length: 32 },
  libusb_endpoint_descriptor: { size: 32, extra: 16, extra_length: 24 },
  libusb_pollfd: { size: 8, fd: 0, events: 4 },
};

test("structs have the layout of libusb.h", () => {
  const { TransferField: transfer, ConfigurationField: configuration, SettingField: setting } = abi;
  assert.deepEqual(
    {
      libusb_transfer: {
        size: abi.TRANSFER_BYTES,
        flags: transfer.flags,
        endpoint: transfer.endpoint,
        type: transfer.type,
        timeout: transfer.timeout,
        status: transfer.status,
        length: transfer.length,
      },
      results: {
        actual_length: transfer.actualLength,
        callback: transfer.callback,
        user_data: transfer.userData,
        buffer: transfer.buffer,
        num_iso_packets: transfer.numIsoPackets,
      },
      iso_packet_desc: transfer.packets,
      libusb_iso_packet_descriptor: {
        size: abi.PACKET_BYTES,
        length: abi.PacketField.length,
        actual_length: abi.PacketField.actualLength,
        status: abi.PacketField.status,
      },
      libusb_device_descriptor: { size: abi.DEVICE_DESCRIPTOR_BYTES },
      libusb_config_descriptor: {
        size: abi.CONFIGURATION_BYTES,
        bNumInterfaces: configuration.interfaceCount,
        interface: configuration.interfaces,
        extra: configuration.extra,
        extra_length: configuration.extraLength,
      },
      libusb_interface: {
        size: abi.INTERFACE_BYTES,
        altsetting: abi.InterfaceField.settings,
        num_altsetting: abi.InterfaceField.settingCount,
      },
      libusb_interface_descriptor: {
        size: abi.SETTING_BYTES,
        bNumEndpoints: setting.endpointCount,
        endpoint: setting.endpoints,
        extra: setting.extra,
        extra_length: setting.extraLength,
      },
      libusb_endpoint_descriptor: {
        size: abi.ENDPOINT_BYTES,
        extra: abi.EndpointField.extra,
        extra_length: abi.EndpointField.extraLength,
      },
      libusb_pollfd: { size: abi.POLL_BYTES, fd: abi.PollField.fd, events: abi.PollField.events },
    },
    COMPILED,
  );
});
