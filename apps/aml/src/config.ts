import { AML_RULES_DEFAULT, type AmlRules } from '@finality/aml';
import { MAX_MONEY_SATS } from '@finality/kernel';
import { defineConfig, setting } from '@finality/service';
import type { z } from 'zod';

export interface AmlConfig {
  readonly rules: AmlRules;
}

const { settlementFromSats, depositFromSats } = AML_RULES_DEFAULT.largeAmount;

/** The AML service's variables of the environment. */
export const amlSettings = defineConfig({
  AML_LARGE_SETTLEMENT_SATS: setting
    .sats(0n, MAX_MONEY_SATS)
    .default(settlementFromSats)
    .describe('the amount from which a settlement is large and goes to a person, in satoshi'),
  AML_LARGE_DEPOSIT_SATS: setting
    .sats(0n, MAX_MONEY_SATS)
    .default(depositFromSats)
    .describe('the amount from which a deposit is large and goes to a person, in satoshi'),
});

export function amlConfig(values: z.output<typeof amlSettings>): AmlConfig {
  return {
    rules: {
      largeAmount: {
        settlementFromSats: values.AML_LARGE_SETTLEMENT_SATS,
        depositFromSats: values.AML_LARGE_DEPOSIT_SATS,
      },
    },
  };
}
