export interface AppendBench {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}
