import { testSeeds } from './seeds.fixture.ts';

testSeeds(8, 14);
