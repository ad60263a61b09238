/** BIP380's checksum. The characters stand in groups of 32: a symbol is the place in the group, every three groups make one more symbol. */
const INPUT_CHARSET =
  '0123456789()[],\'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#"\\ ';
const CHECKSUM_CHARSET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0xf5dee51989n, 0xa9fdca3312n, 0x1bab10e32dn, 0x3706b1677an, 0x644d626ffdn];

export const CHECKSUM_LENGTH = 8;

/** The eight characters that follow `#` after this expression; undefined where it has a character that descriptors can't have. */
export function descriptorChecksum(expression: string): string | undefined {
  const symbols = expand(expression);
  if (symbols === undefined) return undefined;
  const checksum = polymod([...symbols, ...Array<number>(CHECKSUM_LENGTH).fill(0)]) ^ 1n;
  const symbolAt = (i: number): number => Number((checksum >> BigInt(5 * (CHECKSUM_LENGTH - 1 - i))) & 31n);
  return Array.from({ length: CHECKSUM_LENGTH }, (_, i) => CHECKSUM_CHARSET[symbolAt(i)]).join('');
}

function expand(expression: string): number[] | undefined {
  const symbols: number[] = [];
  let groups = 0;
  let pending = 0;
  for (const character of expression) {
    const place = INPUT_CHARSET.indexOf(character);
    if (place < 0) return undefined;
    symbols.push(place & 31);
    groups = groups * 3 + (place >> 5);
    pending += 1;
    if (pending === 3) {
      symbols.push(groups);
      groups = 0;
      pending = 0;
    }
  }
  if (pending > 0) symbols.push(groups);
  return symbols;
}

function polymod(symbols: readonly number[]): bigint {
  let check = 1n;
  for (const symbol of symbols) {
    const top = check >> 35n;
    check = ((check & 0x7_ffff_ffffn) << 5n) ^ BigInt(symbol);
    GENERATOR.forEach((generator, i) => {
      if ((top >> BigInt(i)) & 1n) check ^= generator;
    });
  }
  return check;
}
