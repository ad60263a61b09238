import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FieldWriter } from './fields.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  // Longer than the buffer that it begins with, and up to three bytes for each unit.
  fc.integer({ min: 1_300, max: 9_000 }).map((length) => 'ü€'.repeat(length / 2)),
);

it('fields of any length are written and hashed as the description says', () => {
  const writer = new FieldWriter();
  fc.assert(
    fc.property(fc.array(text, { maxLength: 6 }), fc.uint8Array({ maxLength: 40 }), (fields, prefix) => {
      const expected = [Buffer.from(prefix)];
      for (const field of fields) {
        const length = Buffer.alloc(4);
        length.writeUInt32BE(Buffer.byteLength(field));
        expected.push(length, Buffer.from(field, 'utf8'));
      }
      writer.start(Buffer.from(prefix));
      for (const field of fields) writer.field(field);
      const bytes = Buffer.concat(expected);
      expect(writer.bytes().equals(bytes)).toBe(true);
      expect(writer.sha256('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
    }),
    { numRuns: 100 },
  );
});
