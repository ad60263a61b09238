import { assert, err, ok, type Result, unwrap } from '@finality/kernel';
import { isMultisig, type MultisigScriptType, type SingleKeyScriptType, type WalletScriptType } from './address.ts';
import { formatPath, parsePath } from './derivation-path.ts';
import {
  type BranchSteps,
  derivationIdentity,
  formatKey,
  type KeyFault,
  parseRangedKey,
  privateKeyFault,
  type RangedKey,
  scriptTypeOfKey,
  type WalletKey,
} from './descriptor-key.ts';
import { CHECKSUM_LENGTH, descriptorChecksum } from './descriptor-checksum.ts';
import { type Fault, fault } from './fault.ts';
import type { Network } from './network.ts';
import { MULTISIG_KEYS_MAX } from './wallet-script.ts';

/** A wallet's scripts: one script type, its account keys, both branches. Plain data: it can be stored as JSON. */
export interface Descriptor {
  readonly network: Network;
  readonly scriptType: WalletScriptType;
  /** Signatures that spend from it: k of a multisig wallet, else 1. */
  readonly required: number;
  /** One; of a multisig wallet its cosigners', ordered by their xpubs: which order they were given in changes no script. */
  readonly keys: readonly WalletKey[];
  /** Canonical form with checksum of both branches in one (BIP389, `/<0;1>/*`), and of each by itself. */
  readonly text: string;
  readonly external: string;
  readonly internal: string;
}

export type DescriptorFault =
  | KeyFault
  | Fault<
      | 'MALFORMED_DESCRIPTOR'
      | 'BAD_CHECKSUM'
      | 'UNSUPPORTED_SCRIPT'
      | 'INVALID_THRESHOLD'
      | 'TOO_MANY_KEYS'
      | 'DUPLICATE_KEY'
      | 'BRANCHES_DIFFER'
      | 'SCRIPT_TYPE_MISSING'
    >;

/** Twenty keys with origins of twenty steps. */
const TEXT_LENGTH_MAX = 7_000;

/**
 * Parses the descriptor of an account (BIP380 to 383, 386): `pkh(KEY)`, `sh(wpkh(KEY))`, `wpkh(KEY)`, `tr(KEY)`, `wsh(sortedmulti(k,KEY,…))` or
 * `sh(wsh(sortedmulti(k,KEY,…)))`; one text with `/<0;1>/*` (BIP389), or the external and the internal one as a pair with `/0/*` and `/1/*`.
 * Key origin and checksum may be missing, but must be right where they are there. Keys in SLIP-132's forms (`ypub…`, `Zpub…`) are converted
 * where they fit the script. Refused with a reason of its own: private keys (never echoed), keys of the other kind of network, hardened
 * steps after the key, no range at the end, more keys than allowed, the same key twice, k above n, other scripts. `tpub` serves testnet4,
 * signet and regtest alike: which one is said by `network`.
 */
export function parseDescriptor(
  text: string | readonly [external: string, internal: string],
  network: Network,
): Result<Descriptor, DescriptorFault> {
  if (typeof text === 'string') {
    const parsed = parseExpression(text, network);
    if (!parsed.ok) return parsed;
    if (parsed.value.branch === '<0;1>') return ok(describe(parsed.value));
    return err(
      fault('UNSUPPORTED_PATH', 'expected both branches: /<0;1>/* or a pair of descriptors with /0/* and /1/*'),
    );
  }
  const external = parseExpression(text[0], network);
  if (!external.ok) return external;
  const internal = parseExpression(text[1], network);
  if (!internal.ok) return internal;
  if (external.value.branch !== '0' || internal.value.branch !== '1') {
    return err(
      fault(
        'UNSUPPORTED_PATH',
        `expected /0/* and /1/*, got /${external.value.branch}/* and /${internal.value.branch}/*`,
      ),
    );
  }
  const descriptor = describe(external.value);
  if (descriptor.text === describe(internal.value).text) return ok(descriptor);
  return err(
    fault('BRANCHES_DIFFER', 'expected the same script, origins and keys in the external and the internal descriptor'),
  );
}

/**
 * The descriptor of a bare extended key, with or without origin. `ypub`, `zpub`, `upub` and `vpub` say their script type (SLIP-132); of an
 * `xpub` or `tpub` it must be told. A cosigner's key alone (`Ypub…`, `Zpub…`) is refused: the others and k aren't known.
 */
export function describeKey(
  text: string,
  network: Network,
  scriptType?: WalletScriptType,
): Result<Descriptor, DescriptorFault> {
  const secret = privateKeyFault(text);
  if (secret) return err(secret);
  const type = scriptType ?? scriptTypeOfKey(text);
  if (type === undefined) {
    return err(
      fault('SCRIPT_TYPE_MISSING', 'expected a script type with this key, or a descriptor: the key itself says none'),
    );
  }
  if (isMultisig(type)) {
    return err(
      fault(
        'UNSUPPORTED_SCRIPT',
        `expected ${wrapped(type, 'k,KEY,KEY,…')} with the keys of all cosigners, got one key`,
      ),
    );
  }
  if (text.length > TEXT_LENGTH_MAX) return err(tooLong(text));
  if (/[(){},#]/.test(text)) return err(fault('MALFORMED_DESCRIPTOR', 'expected an extended key and nothing else'));
  const key = parseRangedKey(`${text}/<0;1>/*`, type, network);
  return key.ok
    ? ok(describe({ network, scriptType: type, required: 1, keys: [key.value.key], branch: key.value.branch }))
    : key;
}

export interface DescriptorParts {
  readonly network: Network;
  readonly scriptType: SingleKeyScriptType;
  /** Of the master key, 8 hex digits. */
  readonly fingerprint: string;
  /** `m/84'/0'/0'`. */
  readonly accountPath: string;
  readonly accountXpub: string;
}

/** The descriptor of an account whose parts are our own; parts that don't fit together are a bug. */
export function descriptorFor({
  network,
  scriptType,
  fingerprint,
  accountPath,
  accountXpub,
}: DescriptorParts): Descriptor {
  const path = parsePath(accountPath);
  assert(path !== undefined, `${accountPath} is a derivation path`);
  const key = formatKey({ origin: { fingerprint, path: formatPath(path) }, xpub: accountXpub });
  return unwrap(parseDescriptor(wrapped(scriptType, `${key}/<0;1>/*`), network));
}

/** Adds the checksum (BIP380) to an expression without one. */
export function withChecksum(expression: string): string {
  const checksum = descriptorChecksum(expression);
  assert(checksum !== undefined, 'an expression of our own has no character that descriptors lack');
  return `${expression}#${checksum}`;
}

/** What stands around the keys. The longest first: of two that fit, it is meant. */
const WRAPPERS: readonly { readonly scriptType: WalletScriptType; readonly open: string; readonly close: string }[] = [
  { scriptType: 'sh-wsh-sortedmulti', open: 'sh(wsh(sortedmulti(', close: ')))' },
  { scriptType: 'wsh-sortedmulti', open: 'wsh(sortedmulti(', close: '))' },
  { scriptType: 'sh-wpkh', open: 'sh(wpkh(', close: '))' },
  { scriptType: 'wpkh', open: 'wpkh(', close: ')' },
  { scriptType: 'pkh', open: 'pkh(', close: ')' },
  { scriptType: 'tr', open: 'tr(', close: ')' },
];

const EXPECTED = `expected one of ${WRAPPERS.map(({ open, close, scriptType }) => `${open}${isMultisig(scriptType) ? 'k,KEY,…' : 'KEY'}${close}`).join(', ')}`;

interface Expression {
  readonly network: Network;
  readonly scriptType: WalletScriptType;
  readonly required: number;
  readonly keys: readonly WalletKey[];
  readonly branch: BranchSteps;
}

function describe({ network, scriptType, required, keys: given }: Expression): Descriptor {
  const keys = given.toSorted((a, b) => (a.xpub < b.xpub ? -1 : 1));
  const textOf = (branch: BranchSteps): string => {
    const ranged = keys.map((key) => `${formatKey(key)}/${branch}/*`);
    return withChecksum(wrapped(scriptType, (isMultisig(scriptType) ? [`${required}`, ...ranged] : ranged).join(',')));
  };
  return { network, scriptType, required, keys, text: textOf('<0;1>'), external: textOf('0'), internal: textOf('1') };
}

function wrapped(scriptType: WalletScriptType, content: string): string {
  const wrapper = WRAPPERS.find((each) => each.scriptType === scriptType);
  assert(wrapper, `${scriptType} has a descriptor`);
  return `${wrapper.open}${content}${wrapper.close}`;
}

function parseExpression(text: string, network: Network): Result<Expression, DescriptorFault> {
  if (text.length > TEXT_LENGTH_MAX) return err(tooLong(text));
  const expression = checkChecksum(text);
  if (!expression.ok) return expression;
  const { value } = expression;
  if (!/^[a-z_]+\(.*\)$/.test(value)) return err(fault('MALFORMED_DESCRIPTOR', EXPECTED));
  const wrapper = WRAPPERS.find(({ open, close }) => value.startsWith(open) && value.endsWith(close));
  if (!wrapper) return err(fault('UNSUPPORTED_SCRIPT', `${EXPECTED}, got ${/^[a-z_(]+/.exec(value)![0]}`));
  const { scriptType, open, close } = wrapper;
  const content = value.slice(open.length, value.length - close.length);
  if (/[(){}]/.test(content)) return err(fault('UNSUPPORTED_SCRIPT', `expected keys and nothing else in ${open}`));
  if (isMultisig(scriptType)) return parseMultisig(content, scriptType, network);
  if (content.includes(',')) return err(fault('UNSUPPORTED_SCRIPT', `expected one key and nothing else in ${open}`));
  const key = parseRangedKey(content, scriptType, network);
  if (!key.ok) return key;
  return ok({ network, scriptType, required: 1, keys: [key.value.key], branch: key.value.branch });
}

function parseMultisig(
  content: string,
  scriptType: MultisigScriptType,
  network: Network,
): Result<Expression, DescriptorFault> {
  const [threshold, ...texts] = content.split(',');
  const keysMax = MULTISIG_KEYS_MAX[scriptType];
  if (texts.length > keysMax) {
    return err(
      fault('TOO_MANY_KEYS', `expected at most ${keysMax} keys in ${wrapped(scriptType, '')}, got ${texts.length}`),
    );
  }
  const required = /^[1-9][0-9]?$/.test(threshold!) ? Number(threshold) : 0;
  if (required < 1 || required > texts.length) {
    const message = `expected 1 to ${texts.length} keys required of ${texts.length}, got ${threshold!.slice(0, 20)}`;
    return err(fault('INVALID_THRESHOLD', message));
  }
  const ranged: RangedKey[] = [];
  for (const text of texts) {
    const parsed = parseRangedKey(text, scriptType, network);
    if (!parsed.ok) return parsed;
    ranged.push(parsed.value);
  }
  const identities = new Set(ranged.map(({ key }) => derivationIdentity(key.xpub, network)));
  if (identities.size < ranged.length)
    return err(fault('DUPLICATE_KEY', 'expected a key of its own for each cosigner'));
  const { branch } = ranged[0]!;
  if (ranged.some((each) => each.branch !== branch))
    return err(fault('UNSUPPORTED_PATH', 'expected the same steps after all keys'));
  return ok({ network, scriptType, required, keys: ranged.map(({ key }) => key), branch });
}

function checkChecksum(text: string): Result<string, DescriptorFault> {
  const hash = text.indexOf('#');
  const expression = hash < 0 ? text : text.slice(0, hash);
  const checksum = descriptorChecksum(expression);
  if (checksum === undefined)
    return err(fault('MALFORMED_DESCRIPTOR', 'expected only characters of the descriptor character set'));
  if (hash < 0) return ok(expression);
  const given = text.slice(hash + 1);
  if (given === checksum) return ok(expression);
  // The right checksum isn't told: whoever mistyped the rest would be confirmed in it.
  return err(
    fault(
      'BAD_CHECKSUM',
      `expected the ${CHECKSUM_LENGTH} characters of this descriptor's checksum after #, got "${given.slice(0, 20)}"`,
    ),
  );
}

const tooLong = (text: string): Fault<'MALFORMED_DESCRIPTOR'> =>
  fault('MALFORMED_DESCRIPTOR', `expected at most ${TEXT_LENGTH_MAX} characters, got ${text.length}`);
