import { onPlatform } from './e2e.fixture.ts';
import { COOLING_SECONDS, policy } from './suites/policy.fixture.ts';

onPlatform('policy', policy, {
  environment: {
    COUNTERPARTY_COOLING_SECONDS: String(COOLING_SECONDS),
    SIGNER_DESTINATION_COOLING_SECONDS: String(COOLING_SECONDS),
  },
});
