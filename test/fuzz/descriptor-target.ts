import { type Configuration, parseConfiguration, parseDescriptors } from "../../src/usb/descriptor-walk.ts";
import { EndpointMap } from "../../src/usb/endpoint-map.ts";
import { Speed } from "../../src/usb/speed.ts";
import { ProtocolError } from "../../src/wire/protocol-error.ts";
import { CONFIGURATIONS, DEVICES, mutateDescriptors } from "./descriptor-corpus.ts";
import { mutateBytes } from "./mutation.ts";
import type { Random } from "./random.ts";
import { requireSame, requireSameBytes, type Target } from "./target.ts";

/** An endpoint as its seven bytes say. */
interface Declared {
  readonly setting: number;
  readonly bytes: Uint8Array;
}

interface DeclaredSetting {
  readonly number: number;
  readonly alternate: number;
}

/** A configuration read by one loop over bLength, without structs. */
interface Reading {
  readonly value: number;
  readonly length: number;
  readonly settings: readonly DeclaredSetting[];
  readonly endpoints: readonly Declared[];
}

function read(bytes: Uint8Array): Reading | "TRUNCATED" | "BAD_FIELD" | "BAD_LENGTH" {
  if (bytes.length < 9) return "TRUNCATED";
  if (bytes[1] !== 2) return "BAD_FIELD";
  const length = bytes[2]! + 256 * bytes[3]!;
  if (length < 9 || length > bytes.length) return "BAD_LENGTH";
  const settings: DeclaredSetting[] = [];
  const endpoints: Declared[] = [];
  for (let at = 0; at + 2 <= length && bytes[at]! >= 2 && at + bytes[at]! <= length; at += bytes[at]!) {
    const own = bytes.subarray(at, at + bytes[at]!);
    if (own[1] === 4 && own.length >= 9) settings.push({ number: own[2]!, alternate: own[3]! });
    if (own[1] === 5 && own.length >= 7 && settings.length > 0) {
      endpoints.push({ setting: settings.length - 1, bytes: own });
    }
  }
  return { value: bytes[5]!, length, settings, endpoints };
}

function compare(parsed: Configuration, reading: Reading, bytes: Uint8Array): void {
  requireSameBytes(parsed.bytes, bytes.subarray(0, reading.length), "bytes of the configuration");
  requireSame(parsed.descriptor.bConfigurationValue, reading.value, "bConfigurationValue");
  requireSame(parsed.settings.length, reading.settings.length, "settings");
  for (const [index, { descriptor, endpoints }] of parsed.settings.entries()) {
    requireSame(descriptor.bInterfaceNumber, reading.settings[index]!.number, "bInterfaceNumber");
    requireSame(descriptor.bAlternateSetting, reading.settings[index]!.alternate, "bAlternateSetting");
    const declared = reading.endpoints.filter(({ setting }) => setting === index);
    requireSame(endpoints.length, declared.length, "endpoints");
    for (const [i, { descriptor: endpoint }] of endpoints.entries()) {
      requireSame(endpoint.bEndpointAddress, declared[i]!.bytes[2], "bEndpointAddress");
      requireSame(endpoint.wMaxPacketSize, declared[i]!.bytes[4]! + 256 * declared[i]!.bytes[5]!, "size");
    }
  }
}

/** Half of the mutants keep whole descriptors, half do not care. */
function mutant(corpus: readonly Uint8Array[], random: Random): Uint8Array {
  const input = random.pick(corpus);
  return random.below(5) < 3 ? mutateDescriptors(input, random) : mutateBytes(input, random, corpus);
}

export const configurationTarget: Target = {
  name: "parseConfiguration",
  corpus: CONFIGURATIONS,
  mutant: (random) => mutant(CONFIGURATIONS, random),
  judge(bytes) {
    const parsed = parseConfiguration(bytes);
    const reading = read(bytes);
    if (typeof reading === "string" || parsed instanceof ProtocolError) {
      requireSame(parsed instanceof ProtocolError ? parsed.code : "a value", reading, "result");
      return "error";
    }
    compare(parsed, reading, bytes);
    return "value";
  },
};

function readDevice(bytes: Uint8Array): Reading[] | string {
  if (bytes.length < 18) return "TRUNCATED";
  if (bytes[1] !== 1 || bytes[0]! < 18) return "BAD_FIELD";
  const readings: Reading[] = [];
  for (let at = bytes[0]!; at < bytes.length; ) {
    const reading = read(bytes.subarray(at));
    if (typeof reading === "string") return reading;
    readings.push(reading);
    at += reading.length;
  }
  return readings;
}

export const descriptorsTarget: Target = {
  name: "parseDescriptors, EndpointMap",
  corpus: DEVICES,
  mutant: (random) => mutant(DEVICES, random),
  judge(bytes, random) {
    const parsed = parseDescriptors(bytes);
    const readings = readDevice(bytes);
    const configuration = random.below(3);
    const map = EndpointMap.of(bytes, random.pick(Object.values(Speed)), configuration);
    if (typeof readings === "string" || parsed instanceof ProtocolError || map instanceof ProtocolError) {
      requireSame(parsed instanceof ProtocolError ? parsed.code : "a value", readings, "result");
      requireSame(map instanceof ProtocolError ? map.code : "a map", readings, "map");
      return "error";
    }
    requireSame(parsed.configurations.length, readings.length, "configurations");
    let at = bytes[0]!;
    for (const [index, reading] of readings.entries()) {
      compare(parsed.configurations[index]!, reading, bytes.subarray(at));
      at += reading.length;
    }
    follow(map, configuration, readings, random);
    return "value";
  },
};

/** Lets requests complete and checks after each that the map holds what the active settings declare. */
function follow(map: EndpointMap, configuration: number, readings: readonly Reading[], random: Random): void {
  const first = readings.find(({ value }) => value === configuration);
  // A device with a configuration 0 is odd; an unknown one leaves that one active, with nothing selected.
  let active = first ?? readings.find(({ value }) => value === 0);
  let alternates = new Map(first?.settings.map(({ number }) => [number, 0]));
  for (let requests = random.below(6); requests > 0; requests--) {
    checkMap(map, active, alternates);
    const value = random.oneIn(4) ? random.next() & 0xffff : random.below(4);
    const index = random.oneIn(8) ? random.next() & 0xffff : random.below(3);
    const isSetConfiguration = random.oneIn(2);
    const bmRequestType = random.oneIn(4) ? random.next() & 0xff : isSetConfiguration ? 0 : 1;
    const bRequest = random.oneIn(8) ? random.next() & 0xff : isSetConfiguration ? 9 : 11;
    map.completed(Uint8Array.of(bmRequestType, bRequest, value, value >> 8, index, index >> 8, 0, 0));
    if (bmRequestType === 0 && bRequest === 9) {
      const chosen = readings.find((reading) => reading.value === (value & 0xff));
      if (chosen === undefined && (value & 0xff) !== 0) continue;
      active = chosen;
      alternates = new Map(active?.settings.map(({ number }) => [number, 0]));
      requireSame(map.configuration, value & 0xff, "configuration");
    } else if (bmRequestType === 1 && bRequest === 11) {
      const exists = active?.settings.some((s) => s.number === index && s.alternate === value) ?? false;
      if (exists) alternates.set(index, value);
    }
  }
  checkMap(map, active, alternates);
}

function checkMap(
  map: EndpointMap,
  active: Reading | undefined,
  alternates: ReadonlyMap<number, number>,
): void {
  const declared = new Map<number, Declared[]>();
  const used = new Set<number>();
  for (const [index, { number, alternate }] of (active?.settings ?? []).entries()) {
    requireSame(map.alternate(number), alternates.get(number), "alternate setting");
    // Two settings of the same number: the first one counts.
    const key = number * 256 + alternate;
    if (alternate !== alternates.get(number) || used.has(key)) continue;
    used.add(key);
    for (const endpoint of active!.endpoints) {
      if (endpoint.setting !== index) continue;
      const address = endpoint.bytes[2]! & 0x8f;
      declared.set(address, [...(declared.get(address) ?? []), endpoint]);
    }
  }
  const found = [...map.all()];
  requireSame(found.length, declared.size, "endpoints of the map");
  for (const endpoint of found) {
    const fits = declared.get(endpoint.address)?.some(({ setting, bytes }) => {
      const size = (bytes[4]! + 256 * bytes[5]!) & 0x7ff;
      const { number } = active!.settings[setting]!;
      return (
        endpoint.type === (bytes[3]! & 3) &&
        endpoint.maxPacketSize === size &&
        endpoint.interfaceNumber === number
      );
    });
    requireSame(fits, true, `endpoint ${endpoint.address} as declared`);
    requireSame(map.find(endpoint.address), endpoint, "the endpoint found by its address");
    const { interval, bytesPerInterval, maxPacketSize } = endpoint;
    const sane = interval >= 0 && interval <= 32768 && bytesPerInterval <= maxPacketSize * 256 * 4;
    requireSame(sane && Number.isInteger(bytesPerInterval), true, "interval and bandwidth in their bounds");
  }
}
