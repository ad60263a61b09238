import { bigintColumn } from '@finality/service';
import { EntitySchema } from 'typeorm';

/** What lists are made from: order and filters here, the state itself from its stream. */
export interface SettlementRow {
  readonly settlementId: string;
  readonly fromInstitution: string;
  readonly toInstitution: string;
  readonly status: string;
  readonly createdAt: bigint;
  readonly createdPosition: bigint;
}

export const settlementEntity = new EntitySchema<SettlementRow>({
  name: 'settlement',
  tableName: 'settlements',
  columns: {
    settlementId: { type: 'text', primary: true, name: 'settlement_id' },
    fromInstitution: { type: 'text', name: 'from_institution' },
    toInstitution: { type: 'text', name: 'to_institution' },
    status: { type: 'text' },
    createdAt: { type: 'bigint', name: 'created_at', transformer: bigintColumn },
    createdPosition: { type: 'bigint', name: 'created_position', transformer: bigintColumn },
  },
});

/** Deposits, in the order in which they were first seen. */
export interface DepositRow {
  readonly outpoint: string;
  /** Missing while it is in suspense. */
  readonly institutionId: string | null;
  readonly status: string;
  readonly createdPosition: bigint;
}

export const depositEntity = new EntitySchema<DepositRow>({
  name: 'deposit',
  tableName: 'deposits',
  columns: {
    outpoint: { type: 'text', primary: true },
    institutionId: { type: 'text', name: 'institution_id', nullable: true },
    status: { type: 'text' },
    createdPosition: { type: 'bigint', name: 'created_position', transformer: bigintColumn },
  },
});

export interface InstitutionRow {
  readonly institutionId: string;
  readonly createdPosition: bigint;
}

export const institutionEntity = new EntitySchema<InstitutionRow>({
  name: 'institution',
  tableName: 'institutions',
  columns: {
    institutionId: { type: 'text', primary: true, name: 'institution_id' },
    createdPosition: { type: 'bigint', name: 'created_position', transformer: bigintColumn },
  },
});
