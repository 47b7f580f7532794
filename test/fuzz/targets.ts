import {
  BosDescriptor,
  ConfigurationDescriptor,
  DeviceDescriptor,
  DeviceQualifier,
  EndpointDescriptor,
  InterfaceDescriptor,
  SuperSpeedCapability,
  SuperSpeedEndpointCompanion,
  Usb20Extension,
} from "../../src/usb/descriptors.ts";
import { Setup } from "../../src/usb/setup.ts";
import {
  EventDevice,
  EventHeader,
  EventRemoved,
  EventsReply,
  EventsRequest,
} from "../../src/usbip/event-pdu.ts";
import {
  CmdSubmit,
  CmdUnlink,
  DeviceRecord,
  DevlistReply,
  HeaderBasic,
  ImportRequest,
  InterfaceRecord,
  IsoPacket,
  OpCommon,
  RetSubmit,
  RetUnlink,
} from "../../src/usbip/pdu.ts";
import {
  AttachedDevice,
  AttachRequest,
  AttachResponse,
  CancelRequest,
  CancelResponse,
  Credit,
  DetachNotice,
  DetachRequest,
  DeviceInfo,
  EnumerationRequest,
  EnumerationResponse,
  ErrorMessage,
  EventHead,
  FrameHeader,
  Hello,
  InterfaceInfo,
  IsoRequest,
  IsoResult,
  KeepAlive,
  ResetRequest,
  ResetResponse,
  UrbRequest,
  UrbResponse,
} from "../../src/wslusb/messages.ts";
import { commandTarget } from "./command-target.ts";
import { configurationTarget, descriptorsTarget } from "./descriptor-target.ts";
import { eventPushTarget } from "./event-push-target.ts";
import { eventsTarget } from "./events-target.ts";
import { gadgetTarget } from "./gadget-target.ts";
import { listTarget, requestTarget } from "./handshake-target.ts";
import { connectAnswerTarget, pairingTarget, verdictTarget } from "./link-target.ts";
import { serverTarget } from "./server-target.ts";
import { StructTarget } from "./struct-target.ts";
import type { Target } from "./target.ts";
import { addressTarget, gadgetSpecTarget } from "./text-target.ts";
import { ueventTarget } from "./uevent-target.ts";
import { wslusbClientTarget } from "./wslusb-client-target.ts";
import { wslusbHostTarget } from "./wslusb-host-target.ts";

/** Every decoder and parser of the project, and what stands on them. Whole conversations, where most can go wrong, come first. */
export const TARGETS: readonly Target[] = [
  serverTarget,
  wslusbHostTarget,
  wslusbClientTarget,
  gadgetTarget,
  commandTarget,
  ...[
    OpCommon,
    ImportRequest,
    DevlistReply,
    DeviceRecord,
    InterfaceRecord,
    HeaderBasic,
    CmdSubmit,
    RetSubmit,
    CmdUnlink,
    RetUnlink,
    IsoPacket,
    EventsRequest,
    EventsReply,
    EventHeader,
    EventDevice,
    EventRemoved,
  ].map((struct) => new StructTarget(struct, "big")),
  ...[
    Setup,
    DeviceDescriptor,
    DeviceQualifier,
    ConfigurationDescriptor,
    InterfaceDescriptor,
    EndpointDescriptor,
    SuperSpeedEndpointCompanion,
    BosDescriptor,
    Usb20Extension,
    SuperSpeedCapability,
    FrameHeader,
    Hello,
    EnumerationRequest,
    EnumerationResponse,
    DeviceInfo,
    InterfaceInfo,
    AttachRequest,
    AttachResponse,
    AttachedDevice,
    DetachRequest,
    DetachNotice,
    ResetRequest,
    ResetResponse,
    UrbRequest,
    UrbResponse,
    IsoRequest,
    IsoResult,
    CancelRequest,
    CancelResponse,
    EventHead,
    KeepAlive,
    Credit,
    ErrorMessage,
  ].map((struct) => new StructTarget(struct, "little")),
  configurationTarget,
  descriptorsTarget,
  requestTarget,
  listTarget,
  eventsTarget,
  eventPushTarget,
  addressTarget,
  gadgetSpecTarget,
  ueventTarget,
  connectAnswerTarget,
  verdictTarget,
  pairingTarget,
];
