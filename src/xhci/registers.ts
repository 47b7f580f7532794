/** Where the register sets stand in BAR 0. */
export const BAR_SIZE = 0x4000;
export const OPERATIONAL = 0x40;
export const PORTS = OPERATIONAL + 0x400;
export const PORT_SIZE = 0x10;
export const EXTENDED = 0x800;
export const RUNTIME = 0x1000;
export const INTERRUPTERS = RUNTIME + 0x20;
export const INTERRUPTER_SIZE = 0x20;
export const DOORBELLS = 0x2000;

/** Offsets from `OPERATIONAL` (xHCI table 5-18). */
export const Operational = {
  USBCMD: 0x00,
  USBSTS: 0x04,
  PAGESIZE: 0x08,
  DNCTRL: 0x14,
  CRCR: 0x18,
  DCBAAP: 0x30,
  CONFIG: 0x38,
} as const;

/** USBCMD (xHCI §5.4.1). */
export const USBCMD = {
  RS: 1 << 0,
  HCRST: 1 << 1,
  INTE: 1 << 2,
  HSEE: 1 << 3,
  CSS: 1 << 8,
  CRS: 1 << 9,
  EWE: 1 << 10,
} as const;
export const USBCMD_KEPT = USBCMD.RS | USBCMD.INTE | USBCMD.HSEE | USBCMD.EWE;

/** USBSTS (xHCI §5.4.2). */
export const USBSTS = {
  HCH: 1 << 0,
  HSE: 1 << 2,
  EINT: 1 << 3,
  PCD: 1 << 4,
  SRE: 1 << 10,
  HCE: 1 << 12,
} as const;
export const USBSTS_WRITE_1_TO_CLEAR = USBSTS.HSE | USBSTS.EINT | USBSTS.PCD | USBSTS.SRE;

/** CRCR (xHCI §5.4.5). */
export const CRCR = { RCS: 1 << 0, CS: 1 << 1, CA: 1 << 2, CRR: 1 << 3 } as const;

/** PORTSC (xHCI §5.4.8). */
export const PORTSC = {
  CCS: 1 << 0,
  PED: 1 << 1,
  PR: 1 << 4,
  PP: 1 << 9,
  LWS: 1 << 16,
  CSC: 1 << 17,
  WRC: 1 << 19,
  PRC: 1 << 21,
  PLC: 1 << 22,
  WCE: 1 << 25,
  WDE: 1 << 26,
  WOE: 1 << 27,
  WPR: 1 << 31,
} as const;
/** Change bits, each cleared by a 1. */
export const PORTSC_CHANGES = 0x7f << 17;
export const PORTSC_WAKES = PORTSC.WCE | PORTSC.WDE | PORTSC.WOE;

/** Port Link State, bits 8..5 of PORTSC. */
export const LinkState = {
  U0: 0,
  U1: 1,
  U2: 2,
  U3: 3,
  disabled: 4,
  rxDetect: 5,
  polling: 7,
  resume: 15,
} as const;

/** Offsets in the registers of an interrupter (xHCI §5.5.2). */
export const InterrupterRegister = {
  IMAN: 0x00,
  IMOD: 0x04,
  ERSTSZ: 0x08,
  ERSTBA: 0x10,
  ERDP: 0x18,
} as const;
export const IMAN = { IP: 1 << 0, IE: 1 << 1 } as const;
export const ERDP = { DESI: 7, EHB: 1 << 3 } as const;
