import { readConfig } from '@finality/service';
import { RISK_RULES_DEFAULT } from '@finality/risk';
import { describe, expect, it } from 'vitest';
import { riskConfig, riskSettings } from './config.ts';

const read = (env: Record<string, string>) => riskConfig(readConfig(env, riskSettings));

describe('the configuration of the risk service', () => {
  it('has the rules of the requirements unless told otherwise', () => {
    expect(read({})).toEqual({ rules: RISK_RULES_DEFAULT, labelLists: [] });
  });

  it('names lists of labels', () => {
    expect(read({ RISK_LABEL_FILES: 'ofac-xbt:ofac:/lists/xbt.txt, own:labels:/lists/a:b.csv' }).labelLists).toEqual([
      { name: 'ofac-xbt', format: 'ofac', path: '/lists/xbt.txt' },
      { name: 'own', format: 'labels', path: '/lists/a:b.csv' },
    ]);
  });

  it('changes thresholds, 0 included', () => {
    expect(read({ RISK_REVIEW_SCORE: '0', RISK_REJECT_SCORE: '50' }).rules).toMatchObject({
      reviewFrom: 0,
      rejectFrom: 50,
    });
  });

  it.each([
    ['RISK_LABEL_FILES', 'xbt.txt'],
    ['RISK_LABEL_FILES', 'a:ofac:/x,a:ofac:/y'],
    ['RISK_LABEL_FILES', 'a:tagpack:/x'],
    ['RISK_REJECT_SCORE', '101'],
    ['RISK_BUSY_ADDRESS_TRANSACTIONS', '101'],
  ])('refuses %s=%s, naming the variable', (name, value) => {
    expect(() => read({ [name]: value })).toThrow(name);
  });
});
