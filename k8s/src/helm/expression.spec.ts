import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { each, number, settings, text, toTemplate } from './expression.ts';

const template = (value: unknown): string => toTemplate(stringify(value, { lineWidth: 0 }));

describe('stand-ins', () => {
  it('become quoted texts and bare numbers', () => {
    expect(template({ brokers: text('.Values.kafka.brokers'), replicas: number('.Values.replicas') })).toBe(
      'brokers: {{ .Values.kafka.brokers | quote }}\nreplicas: {{ .Values.replicas }}\n',
    );
  });

  it('become an item for each address and for each name', () => {
    const to = each('.Values.cidrs').map((cidr) => ({ ipBlock: { cidr } }));
    expect(template({ to })).toBe(
      'to:\n  {{- range .Values.cidrs }}\n  - ipBlock:\n      cidr: {{ . | quote }}\n  {{- end }}\n',
    );
    expect(template({ secrets: each('.Values.names').map((name) => ({ name })) })).toBe(
      'secrets:\n  {{- range .Values.names }}\n  - name: {{ . | quote }}\n  {{- end }}\n',
    );
  });

  it('become a line for each setting', () => {
    expect(template({ data: { A: 'b', ...settings('.Values.settings') } })).toBe(
      'data:\n  A: b\n  {{- range $name, $value := .Values.settings }}\n  {{ $name }}: {{ $value | quote }}\n  {{- end }}\n',
    );
  });

  it('are refused where they can’t be', () => {
    expect(() => template([text('.Values.x')])).toThrow("a stand-in can't be here: - ⟦text .Values.x⟧");
  });
});
