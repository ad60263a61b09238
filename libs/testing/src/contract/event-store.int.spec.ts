import { describe } from 'vitest';
import { eventStoreContract } from './event-store.contract.ts';

describe('PostgresEventStore', eventStoreContract);
