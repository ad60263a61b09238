import { assert, type Brand } from '@finality/kernel';

/**
 * What amounts count, by its registered code. Amounts are always whole numbers of its smallest part: satoshi of BTC, cents of USD. A code is
 * a segment of account paths, so that what an entry is in is hashed with its accounts; a tokenised asset is to be one by its id (`asset:…`).
 */
export type Unit = Brand<string, 'Unit'>;

/** Satoshi: what the chain moves, and what an account without a unit in its path counts. */
export const BTC = 'BTC' as Unit;

/**
 * Codes by how many decimal places they have, as ISO 4217 (list one) gives them. Left out: what nobody can have at a bank (funds codes,
 * metals, bond market units, codes for testing).
 */
const CURRENCIES: Readonly<Record<number, string>> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF',
  2: `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD
      EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL
      MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR
      SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW`,
  3: 'BHD IQD JOD KWD LYD OMR TND',
};

const SCALES: ReadonlyMap<string, number> = new Map([
  [BTC, 8],
  ...Object.entries(CURRENCIES).flatMap(([scale, codes]) =>
    codes.split(/\s+/).map((code) => [code, Number(scale)] as const),
  ),
]);

/** The unit that goes by a code; undefined where none is registered. */
export const parseUnit = (code: string): Unit | undefined => (SCALES.has(code) ? (code as Unit) : undefined);

/** Decimal places: 10 to the power of it smallest parts are one of the unit. */
export function scaleOf(unit: Unit): number {
  const scale = SCALES.get(unit);
  assert(scale !== undefined, `${unit} is no registered unit`);
  return scale;
}

/** An amount of a unit, in its smallest part. */
export interface Money {
  readonly unit: Unit;
  readonly amount: bigint;
}
