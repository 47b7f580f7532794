import { scenarios } from "./scenario.ts";
import { LIBUSB_BOOT, LIBUSB_LONG } from "./scenarios/libusb.ts";

scenarios("6.1", LIBUSB_LONG, LIBUSB_BOOT);
scenarios("6.12", LIBUSB_LONG, LIBUSB_BOOT);
