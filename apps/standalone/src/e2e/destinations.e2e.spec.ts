import { onPlatform } from './e2e.fixture.ts';
import { COOLING_SECONDS, destinations } from './suites/destinations.fixture.ts';

onPlatform('destinations', destinations, {
  environment: { SIGNER_DESTINATION_COOLING_SECONDS: String(COOLING_SECONDS) },
});
