"""The absence export: how people stood on Edusign's sheets, brought to the ERP (R25–R28)."""
