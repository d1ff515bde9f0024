│
▲  Connected to 127.0.0.1 without TLS: the TLS connection failed or was rejected. Set PGSSLMODE=require (or verify-full) to refuse unencrypted connections.

export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]

export type Database = {
  
  "public": {
          Tables: {
            "activities": {
                  Row: {
                    "actor_id": string | null,"description": string | null,"entity_id": string,"entity_type": string,"id": string,"lead_id": string | null,"metadata": NonNullable<Json>,"occurred_at": string,"title": string,"type": string
                  }
                  ComputedFields: never
                  Insert: {
                    "actor_id"?: string | null,"description"?: string | null,"entity_id": string,"entity_type"?: string,"id"?: string,"lead_id"?: string | null,"metadata"?: NonNullable<Json>,"occurred_at"?: string,"title": string,"type": string
                  }
                  Update: {
                    "actor_id"?: string | null,"description"?: string | null,"entity_id"?: string,"entity_type"?: string,"id"?: string,"lead_id"?: string | null,"metadata"?: NonNullable<Json>,"occurred_at"?: string,"title"?: string,"type"?: string
                  }
                  Relationships: [
                    {
      foreignKeyName: "activities_actor_id_fkey"
      columns: ["actor_id"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "activities_actor_id_fkey"
      columns: ["actor_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "activities_actor_id_fkey"
      columns: ["actor_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    },{
      foreignKeyName: "activities_lead_id_fkey"
      columns: ["lead_id"]
isOneToOne: false
      referencedRelation: "leads"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "activities_lead_id_fkey"
      columns: ["lead_id"]
isOneToOne: false
      referencedRelation: "leads_crm"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "activities_lead_id_fkey"
      columns: ["lead_id"]
isOneToOne: false
      referencedRelation: "leads_list"
      referencedColumns: ["id"]
    }
                  ]
                },"assignment_rules": {
                  Row: {
                    "course": string | null,"created_at": string,"id": string,"is_active": boolean,"name": string,"position": number,"source": string | null,"team_id": string,"territory": string | null,"updated_at": string
                  }
                  ComputedFields: never
                  Insert: {
                    "course"?: string | null,"created_at"?: string,"id"?: string,"is_active"?: boolean,"name": string,"position": number,"source"?: string | null,"team_id": string,"territory"?: string | null,"updated_at"?: string
                  }
                  Update: {
                    "course"?: string | null,"created_at"?: string,"id"?: string,"is_active"?: boolean,"name"?: string,"position"?: number,"source"?: string | null,"team_id"?: string,"territory"?: string | null,"updated_at"?: string
                  }
                  Relationships: [
                    {
      foreignKeyName: "assignment_rules_team_id_fkey"
      columns: ["team_id"]
isOneToOne: false
      referencedRelation: "teams"
      referencedColumns: ["id"]
    }
                  ]
                },"audit_logs": {
                  Row: {
                    "action": string,"actor_role": string,"after": Json | null,"before": Json | null,"created_at": string,"id": string,"impersonator_id": string | null,"record_id": string | null,"request_id": string | null,"resource": string,"session_id": string | null,"user_id": string | null
                  }
                  ComputedFields: never
                  Insert: {
                    "action": string,"actor_role": string,"after"?: Json | null,"before"?: Json | null,"created_at"?: string,"id"?: string,"impersonator_id"?: string | null,"record_id"?: string | null,"request_id"?: string | null,"resource": string,"session_id"?: string | null,"user_id"?: string | null
                  }
                  Update: {
                    "action"?: string,"actor_role"?: string,"after"?: Json | null,"before"?: Json | null,"created_at"?: string,"id"?: string,"impersonator_id"?: string | null,"record_id"?: string | null,"request_id"?: string | null,"resource"?: string,"session_id"?: string | null,"user_id"?: string | null
                  }
                  Relationships: [
                    
                  ]
                },"error_codes": {
                  Row: {
                    "code": string,"hint": string | null,"message": string,"sqlstate": string
                  }
                  ComputedFields: never
                  Insert: {
                    "code": string,"hint"?: string | null,"message": string,"sqlstate": string
                  }
                  Update: {
                    "code"?: string,"hint"?: string | null,"message"?: string,"sqlstate"?: string
                  }
                  Relationships: [
                    
                  ]
                },"integration_logs": {
                  Row: {
                    "activity_type": string,"created_at": string,"description": string | null,"execution_time": number | null,"id": string,"integration_name": string,"records_processed": number,"request_data": NonNullable<Json>,"request_id": string | null,"response_data": NonNullable<Json>,"status": string,"user_id": string | null
                  }
                  ComputedFields: never
                  Insert: {
                    "activity_type": string,"created_at"?: string,"description"?: string | null,"execution_time"?: number | null,"id"?: string,"integration_name": string,"records_processed"?: number,"request_data"?: NonNullable<Json>,"request_id"?: string | null,"response_data"?: NonNullable<Json>,"status": string,"user_id"?: string | null
                  }
                  Update: {
                    "activity_type"?: string,"created_at"?: string,"description"?: string | null,"execution_time"?: number | null,"id"?: string,"integration_name"?: string,"records_processed"?: number,"request_data"?: NonNullable<Json>,"request_id"?: string | null,"response_data"?: NonNullable<Json>,"status"?: string,"user_id"?: string | null
                  }
                  Relationships: [
                    {
      foreignKeyName: "integration_logs_user_id_fkey"
      columns: ["user_id"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "integration_logs_user_id_fkey"
      columns: ["user_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "integration_logs_user_id_fkey"
      columns: ["user_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    }
                  ]
                },"integrations": {
                  Row: {
                    "config": NonNullable<Json>,"created_at": string,"credentials_secret": string | null,"last_error": string | null,"last_sync": string | null,"name": string,"status": string,"type": string,"updated_at": string
                  }
                  ComputedFields: never
                  Insert: {
                    "config"?: NonNullable<Json>,"created_at"?: string,"credentials_secret"?: string | null,"last_error"?: string | null,"last_sync"?: string | null,"name": string,"status"?: string,"type": string,"updated_at"?: string
                  }
                  Update: {
                    "config"?: NonNullable<Json>,"created_at"?: string,"credentials_secret"?: string | null,"last_error"?: string | null,"last_sync"?: string | null,"name"?: string,"status"?: string,"type"?: string,"updated_at"?: string
                  }
                  Relationships: [
                    
                  ]
                },"lead_assignments": {
                  Row: {
                    "assigned_at": string,"assigned_by": string | null,"batch_id": string | null,"from_user_id": string | null,"id": string,"lead_id": string,"method": string,"reason": string | null,"team_id": string | null,"to_user_id": string | null
                  }
                  ComputedFields: never
                  Insert: {
                    "assigned_at"?: string,"assigned_by"?: string | null,"batch_id"?: string | null,"from_user_id"?: string | null,"id"?: string,"lead_id": string,"method": string,"reason"?: string | null,"team_id"?: string | null,"to_user_id"?: string | null
                  }
                  Update: {
                    "assigned_at"?: string,"assigned_by"?: string | null,"batch_id"?: string | null,"from_user_id"?: string | null,"id"?: string,"lead_id"?: string,"method"?: string,"reason"?: string | null,"team_id"?: string | null,"to_user_id"?: string | null
                  }
                  Relationships: [
                    {
      foreignKeyName: "lead_assignments_assigned_by_fkey"
      columns: ["assigned_by"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_assignments_assigned_by_fkey"
      columns: ["assigned_by"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_assignments_assigned_by_fkey"
      columns: ["assigned_by"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    },{
      foreignKeyName: "lead_assignments_from_user_id_fkey"
      columns: ["from_user_id"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_assignments_from_user_id_fkey"
      columns: ["from_user_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_assignments_from_user_id_fkey"
      columns: ["from_user_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    },{
      foreignKeyName: "lead_assignments_lead_id_fkey"
      columns: ["lead_id"]
isOneToOne: false
      referencedRelation: "leads"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_assignments_lead_id_fkey"
      columns: ["lead_id"]
isOneToOne: false
      referencedRelation: "leads_crm"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_assignments_lead_id_fkey"
      columns: ["lead_id"]
isOneToOne: false
      referencedRelation: "leads_list"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_assignments_team_id_fkey"
      columns: ["team_id"]
isOneToOne: false
      referencedRelation: "teams"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_assignments_to_user_id_fkey"
      columns: ["to_user_id"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_assignments_to_user_id_fkey"
      columns: ["to_user_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_assignments_to_user_id_fkey"
      columns: ["to_user_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    }
                  ]
                },"lead_history": {
                  Row: {
                    "changed_at": string,"changed_by": string | null,"from_status": string,"id": string,"lead_id": string,"reason": string | null,"to_status": string
                  }
                  ComputedFields: never
                  Insert: {
                    "changed_at"?: string,"changed_by"?: string | null,"from_status": string,"id"?: string,"lead_id": string,"reason"?: string | null,"to_status": string
                  }
                  Update: {
                    "changed_at"?: string,"changed_by"?: string | null,"from_status"?: string,"id"?: string,"lead_id"?: string,"reason"?: string | null,"to_status"?: string
                  }
                  Relationships: [
                    {
      foreignKeyName: "lead_history_changed_by_fkey"
      columns: ["changed_by"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_history_changed_by_fkey"
      columns: ["changed_by"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_history_changed_by_fkey"
      columns: ["changed_by"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    },{
      foreignKeyName: "lead_history_lead_id_fkey"
      columns: ["lead_id"]
isOneToOne: false
      referencedRelation: "leads"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_history_lead_id_fkey"
      columns: ["lead_id"]
isOneToOne: false
      referencedRelation: "leads_crm"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "lead_history_lead_id_fkey"
      columns: ["lead_id"]
isOneToOne: false
      referencedRelation: "leads_list"
      referencedColumns: ["id"]
    }
                  ]
                },"lead_source_forms": {
                  Row: {
                    "backfill_cursor": string | null,"backfill_since": string,"backfill_started_at": string | null,"created_at": string,"form_id": string,"is_active": boolean,"last_lead_at": string | null,"name": string | null,"page_id": string | null,"provider": string,"updated_at": string
                  }
                  ComputedFields: never
                  Insert: {
                    "backfill_cursor"?: string | null,"backfill_since"?: string,"backfill_started_at"?: string | null,"created_at"?: string,"form_id": string,"is_active"?: boolean,"last_lead_at"?: string | null,"name"?: string | null,"page_id"?: string | null,"provider": string,"updated_at"?: string
                  }
                  Update: {
                    "backfill_cursor"?: string | null,"backfill_since"?: string,"backfill_started_at"?: string | null,"created_at"?: string,"form_id"?: string,"is_active"?: boolean,"last_lead_at"?: string | null,"name"?: string | null,"page_id"?: string | null,"provider"?: string,"updated_at"?: string
                  }
                  Relationships: [
                    
                  ]
                },"lead_source_mappings": {
                  Row: {
                    "created_at": string,"field": string,"form_id": string | null,"id": string,"position": number,"provider": string,"target": string,"transform": string,"updated_at": string
                  }
                  ComputedFields: never
                  Insert: {
                    "created_at"?: string,"field": string,"form_id"?: string | null,"id"?: string,"position"?: number,"provider"?: string,"target": string,"transform"?: string,"updated_at"?: string
                  }
                  Update: {
                    "created_at"?: string,"field"?: string,"form_id"?: string | null,"id"?: string,"position"?: number,"provider"?: string,"target"?: string,"transform"?: string,"updated_at"?: string
                  }
                  Relationships: [
                    
                  ]
                },"leads": {
                  Row: {
                    "annual_revenue": number | null,"assigned_to": string | null,"course": string | null,"created_at": string,"created_by": string | null,"currency": string,"custom_fields": NonNullable<Json>,"deleted_at": string | null,"email": string | null,"experience": number | null,"first_name": string,"gender": string | null,"id": string,"industry": string | null,"job_title": string | null,"last_interaction_at": string | null,"last_name": string,"lead_id": string,"lead_no": number,"max_stage": number,"name": string,"no_of_employees": string | null,"organization": string | null,"phone": string | null,"qualification": string | null,"salutation": string | null,"score": number,"source": string,"status": string,"status_changed_at": string,"tags": (string)[],"team_id": string | null,"territory": string | null,"updated_at": string,"value": number,"version": number,"website": string | null
                  }
                  ComputedFields: never
                  Insert: {
                    "annual_revenue"?: number | null,"assigned_to"?: string | null,"course"?: string | null,"created_at"?: string,"created_by"?: string | null,"currency": string,"custom_fields"?: NonNullable<Json>,"deleted_at"?: string | null,"email"?: string | null,"experience"?: number | null,"first_name"?: string,"gender"?: string | null,"id"?: string,"industry"?: string | null,"job_title"?: string | null,"last_interaction_at"?: string | null,"last_name"?: string,"lead_id"?: never,"lead_no"?: never,"max_stage"?: number,"name"?: string,"no_of_employees"?: string | null,"organization"?: string | null,"phone"?: string | null,"qualification"?: string | null,"salutation"?: string | null,"score"?: number,"source"?: string,"status": string,"status_changed_at"?: string,"tags"?: (string)[],"team_id"?: string | null,"territory"?: string | null,"updated_at"?: string,"value"?: number,"version"?: number,"website"?: string | null
                  }
                  Update: {
                    "annual_revenue"?: number | null,"assigned_to"?: string | null,"course"?: string | null,"created_at"?: string,"created_by"?: string | null,"currency"?: string,"custom_fields"?: NonNullable<Json>,"deleted_at"?: string | null,"email"?: string | null,"experience"?: number | null,"first_name"?: string,"gender"?: string | null,"id"?: string,"industry"?: string | null,"job_title"?: string | null,"last_interaction_at"?: string | null,"last_name"?: string,"lead_id"?: never,"lead_no"?: never,"max_stage"?: number,"name"?: string,"no_of_employees"?: string | null,"organization"?: string | null,"phone"?: string | null,"qualification"?: string | null,"salutation"?: string | null,"score"?: number,"source"?: string,"status"?: string,"status_changed_at"?: string,"tags"?: (string)[],"team_id"?: string | null,"territory"?: string | null,"updated_at"?: string,"value"?: number,"version"?: number,"website"?: string | null
                  }
                  Relationships: [
                    {
      foreignKeyName: "leads_assigned_to_fkey"
      columns: ["assigned_to"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "leads_assigned_to_fkey"
      columns: ["assigned_to"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "leads_assigned_to_fkey"
      columns: ["assigned_to"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    },{
      foreignKeyName: "leads_created_by_fkey"
      columns: ["created_by"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "leads_created_by_fkey"
      columns: ["created_by"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "leads_created_by_fkey"
      columns: ["created_by"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    },{
      foreignKeyName: "leads_status_fkey"
      columns: ["status"]
isOneToOne: false
      referencedRelation: "pipeline_stages"
      referencedColumns: ["key"]
    },{
      foreignKeyName: "leads_team_id_fkey"
      columns: ["team_id"]
isOneToOne: false
      referencedRelation: "teams"
      referencedColumns: ["id"]
    }
                  ]
                },"notifications": {
                  Row: {
                    "action_label": string | null,"action_url": string | null,"created_at": string,"expires_at": string | null,"id": string,"is_read": boolean,"lead_id": string | null,"message": string,"metadata": NonNullable<Json>,"priority": string,"read_at": string | null,"sender_id": string | null,"student_id": string | null,"title": string,"type": string,"user_id": string
                  }
                  ComputedFields: never
                  Insert: {
                    "action_label"?: string | null,"action_url"?: string | null,"created_at"?: string,"expires_at"?: string | null,"id"?: string,"is_read"?: boolean,"lead_id"?: string | null,"message"?: string,"metadata"?: NonNullable<Json>,"priority"?: string,"read_at"?: string | null,"sender_id"?: string | null,"student_id"?: string | null,"title": string,"type"?: string,"user_id"?: string
                  }
                  Update: {
                    "action_label"?: string | null,"action_url"?: string | null,"created_at"?: string,"expires_at"?: string | null,"id"?: string,"is_read"?: boolean,"lead_id"?: string | null,"message"?: string,"metadata"?: NonNullable<Json>,"priority"?: string,"read_at"?: string | null,"sender_id"?: string | null,"student_id"?: string | null,"title"?: string,"type"?: string,"user_id"?: string
                  }
                  Relationships: [
                    {
      foreignKeyName: "notifications_lead_id_fkey"
      columns: ["lead_id"]
isOneToOne: false
      referencedRelation: "leads"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "notifications_lead_id_fkey"
      columns: ["lead_id"]
isOneToOne: false
      referencedRelation: "leads_crm"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "notifications_lead_id_fkey"
      columns: ["lead_id"]
isOneToOne: false
      referencedRelation: "leads_list"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "notifications_sender_id_fkey"
      columns: ["sender_id"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "notifications_sender_id_fkey"
      columns: ["sender_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "notifications_sender_id_fkey"
      columns: ["sender_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    },{
      foreignKeyName: "notifications_user_id_fkey"
      columns: ["user_id"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "notifications_user_id_fkey"
      columns: ["user_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "notifications_user_id_fkey"
      columns: ["user_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    }
                  ]
                },"permissions": {
                  Row: {
                    "description": string,"key": string
                  }
                  ComputedFields: never
                  Insert: {
                    "description": string,"key": string
                  }
                  Update: {
                    "description"?: string,"key"?: string
                  }
                  Relationships: [
                    
                  ]
                },"pipeline_stages": {
                  Row: {
                    "created_at": string,"is_closed": boolean,"is_lost": boolean,"is_won": boolean,"key": string,"name": string,"position": number,"probability": number,"updated_at": string
                  }
                  ComputedFields: never
                  Insert: {
                    "created_at"?: string,"is_closed"?: boolean,"is_lost"?: boolean,"is_won"?: boolean,"key": string,"name": string,"position": number,"probability"?: number,"updated_at"?: string
                  }
                  Update: {
                    "created_at"?: string,"is_closed"?: boolean,"is_lost"?: boolean,"is_won"?: boolean,"key"?: string,"name"?: string,"position"?: number,"probability"?: number,"updated_at"?: string
                  }
                  Relationships: [
                    
                  ]
                },"pipeline_transitions": {
                  Row: {
                    "from_stage": string,"to_stage": string
                  }
                  ComputedFields: never
                  Insert: {
                    "from_stage": string,"to_stage": string
                  }
                  Update: {
                    "from_stage"?: string,"to_stage"?: string
                  }
                  Relationships: [
                    {
      foreignKeyName: "pipeline_transitions_from_stage_fkey"
      columns: ["from_stage"]
isOneToOne: false
      referencedRelation: "pipeline_stages"
      referencedColumns: ["key"]
    },{
      foreignKeyName: "pipeline_transitions_to_stage_fkey"
      columns: ["to_stage"]
isOneToOne: false
      referencedRelation: "pipeline_stages"
      referencedColumns: ["key"]
    }
                  ]
                },"profiles": {
                  Row: {
                    "availability": string,"avatar_url": string | null,"created_at": string,"department": string | null,"designation": string | null,"email": string,"full_name": string,"id": string,"is_active": boolean,"max_open_leads": number | null,"phone": string | null,"preferences": NonNullable<Json>,"role_id": string,"timezone": string | null,"updated_at": string,"version": number
                  }
                  ComputedFields: never
                  Insert: {
                    "availability"?: string,"avatar_url"?: string | null,"created_at"?: string,"department"?: string | null,"designation"?: string | null,"email": string,"full_name"?: string,"id": string,"is_active"?: boolean,"max_open_leads"?: number | null,"phone"?: string | null,"preferences"?: NonNullable<Json>,"role_id": string,"timezone"?: string | null,"updated_at"?: string,"version"?: number
                  }
                  Update: {
                    "availability"?: string,"avatar_url"?: string | null,"created_at"?: string,"department"?: string | null,"designation"?: string | null,"email"?: string,"full_name"?: string,"id"?: string,"is_active"?: boolean,"max_open_leads"?: number | null,"phone"?: string | null,"preferences"?: NonNullable<Json>,"role_id"?: string,"timezone"?: string | null,"updated_at"?: string,"version"?: number
                  }
                  Relationships: [
                    {
      foreignKeyName: "profiles_role_id_fkey"
      columns: ["role_id"]
isOneToOne: false
      referencedRelation: "roles"
      referencedColumns: ["id"]
    }
                  ]
                },"role_permissions": {
                  Row: {
                    "permission": string,"role_id": string
                  }
                  ComputedFields: never
                  Insert: {
                    "permission": string,"role_id": string
                  }
                  Update: {
                    "permission"?: string,"role_id"?: string
                  }
                  Relationships: [
                    {
      foreignKeyName: "role_permissions_permission_fkey"
      columns: ["permission"]
isOneToOne: false
      referencedRelation: "permissions"
      referencedColumns: ["key"]
    },{
      foreignKeyName: "role_permissions_role_id_fkey"
      columns: ["role_id"]
isOneToOne: false
      referencedRelation: "roles"
      referencedColumns: ["id"]
    }
                  ]
                },"roles": {
                  Row: {
                    "created_at": string,"data_scope": string,"description": string,"id": string,"is_system": boolean,"key": string,"name": string,"updated_at": string
                  }
                  ComputedFields: never
                  Insert: {
                    "created_at"?: string,"data_scope": string,"description"?: string,"id"?: string,"is_system"?: boolean,"key": string,"name": string,"updated_at"?: string
                  }
                  Update: {
                    "created_at"?: string,"data_scope"?: string,"description"?: string,"id"?: string,"is_system"?: boolean,"key"?: string,"name"?: string,"updated_at"?: string
                  }
                  Relationships: [
                    
                  ]
                },"system_metrics": {
                  Row: {
                    "metric_type": string,"recorded_at": string,"value": number
                  }
                  ComputedFields: never
                  Insert: {
                    "metric_type": string,"recorded_at"?: string,"value": number
                  }
                  Update: {
                    "metric_type"?: string,"recorded_at"?: string,"value"?: number
                  }
                  Relationships: [
                    
                  ]
                },"system_settings": {
                  Row: {
                    "category": string,"created_at": string,"description": string,"is_public": boolean,"is_secret": boolean,"key": string,"updated_at": string,"updated_by": string | null,"value": NonNullable<Json>
                  }
                  ComputedFields: never
                  Insert: {
                    "category"?: string,"created_at"?: string,"description"?: string,"is_public"?: boolean,"is_secret"?: boolean,"key": string,"updated_at"?: string,"updated_by"?: string | null,"value": NonNullable<Json>
                  }
                  Update: {
                    "category"?: string,"created_at"?: string,"description"?: string,"is_public"?: boolean,"is_secret"?: boolean,"key"?: string,"updated_at"?: string,"updated_by"?: string | null,"value"?: NonNullable<Json>
                  }
                  Relationships: [
                    {
      foreignKeyName: "system_settings_updated_by_fkey"
      columns: ["updated_by"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "system_settings_updated_by_fkey"
      columns: ["updated_by"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "system_settings_updated_by_fkey"
      columns: ["updated_by"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    }
                  ]
                },"team_members": {
                  Row: {
                    "created_at": string,"is_manager": boolean,"team_id": string,"user_id": string
                  }
                  ComputedFields: never
                  Insert: {
                    "created_at"?: string,"is_manager"?: boolean,"team_id": string,"user_id": string
                  }
                  Update: {
                    "created_at"?: string,"is_manager"?: boolean,"team_id"?: string,"user_id"?: string
                  }
                  Relationships: [
                    {
      foreignKeyName: "team_members_team_id_fkey"
      columns: ["team_id"]
isOneToOne: false
      referencedRelation: "teams"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "team_members_user_id_fkey"
      columns: ["user_id"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "team_members_user_id_fkey"
      columns: ["user_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "team_members_user_id_fkey"
      columns: ["user_id"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    }
                  ]
                },"teams": {
                  Row: {
                    "created_at": string,"description": string,"id": string,"is_auto_assigned": boolean,"name": string,"updated_at": string
                  }
                  ComputedFields: never
                  Insert: {
                    "created_at"?: string,"description"?: string,"id"?: string,"is_auto_assigned"?: boolean,"name": string,"updated_at"?: string
                  }
                  Update: {
                    "created_at"?: string,"description"?: string,"id"?: string,"is_auto_assigned"?: boolean,"name"?: string,"updated_at"?: string
                  }
                  Relationships: [
                    
                  ]
                }
          }
          Views: {
            "app_settings": {
                  Row: {
                    "category": string,"created_at": string,"description": string,"is_public": boolean,"is_secret": boolean,"key": string,"updated_at": string,"updated_by": string | null,"value": NonNullable<Json>
                  }
                  ComputedFields: never
                  Insert: {
                           "category"?: string | null,"created_at"?: string | null,"description"?: string | null,"is_public"?: boolean | null,"is_secret"?: boolean | null,"key"?: string | null,"updated_at"?: string | null,"updated_by"?: string | null,"value"?: Json | null
                         }
                        Update: {
                           "category"?: string | null,"created_at"?: string | null,"description"?: string | null,"is_public"?: boolean | null,"is_secret"?: boolean | null,"key"?: string | null,"updated_at"?: string | null,"updated_by"?: string | null,"value"?: Json | null
                         }
                        Relationships: [
                    {
      foreignKeyName: "system_settings_updated_by_fkey"
      columns: ["updated_by"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "system_settings_updated_by_fkey"
      columns: ["updated_by"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "system_settings_updated_by_fkey"
      columns: ["updated_by"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    }
                  ]
                },"integrations_status": {
                  Row: {
                    "config": NonNullable<Json>,"has_credentials": boolean | null,"last_error": string | null,"last_sync": string | null,"name": string,"status": string,"type": string
                  }
                  ComputedFields: never
                  Insert: {
                           "config"?: Json | null,"has_credentials"?: never,"last_error"?: string | null,"last_sync"?: string | null,"name"?: string | null,"status"?: string | null,"type"?: string | null
                         }
                        Update: {
                           "config"?: Json | null,"has_credentials"?: never,"last_error"?: string | null,"last_sync"?: string | null,"name"?: string | null,"status"?: string | null,"type"?: string | null
                         }
                        Relationships: [
                    
                  ]
                },"leads_crm": {
                  Row: {
                    "activitiesCount": number | null,"annualRevenue": number | null,"assigned_to": string | null,"createdAt": string,"createdBy": string | null,"email": string | null,"firstName": string,"gender": string | null,"id": string,"industry": string | null,"jobTitle": string | null,"lastName": string,"lead_id": string,"leadOwner": string | null,"mobile": string | null,"noOfEmployees": string | null,"organization": string | null,"salutation": string | null,"source": string,"status": string,"team_id": string | null,"territory": string | null,"updatedAt": string,"website": string | null
                  }
                  ComputedFields: never
                  Relationships: [
                    {
      foreignKeyName: "leads_assigned_to_fkey"
      columns: ["assigned_to"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "leads_assigned_to_fkey"
      columns: ["assigned_to"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "leads_assigned_to_fkey"
      columns: ["assigned_to"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    },{
      foreignKeyName: "leads_team_id_fkey"
      columns: ["team_id"]
isOneToOne: false
      referencedRelation: "teams"
      referencedColumns: ["id"]
    }
                  ]
                },"leads_list": {
                  Row: {
                    "assigned_to": string | null,"created_at": string,"currency": string,"email": string | null,"id": string,"lastInteraction": string | null,"lead_id": string,"name": string,"phone": string | null,"score": number,"source": string,"status": string,"team_id": string | null,"value": number
                  }
                  ComputedFields: never
                  Insert: {
                           "assigned_to"?: string | null,"created_at"?: string | null,"currency"?: string | null,"email"?: string | null,"id"?: string | null,"lastInteraction"?: never,"lead_id"?: string | null,"name"?: string | null,"phone"?: string | null,"score"?: number | null,"source"?: string | null,"status"?: string | null,"team_id"?: string | null,"value"?: number | null
                         }
                        Update: {
                           "assigned_to"?: string | null,"created_at"?: string | null,"currency"?: string | null,"email"?: string | null,"id"?: string | null,"lastInteraction"?: never,"lead_id"?: string | null,"name"?: string | null,"phone"?: string | null,"score"?: number | null,"source"?: string | null,"status"?: string | null,"team_id"?: string | null,"value"?: number | null
                         }
                        Relationships: [
                    {
      foreignKeyName: "leads_assigned_to_fkey"
      columns: ["assigned_to"]
isOneToOne: false
      referencedRelation: "profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "leads_assigned_to_fkey"
      columns: ["assigned_to"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "leads_assigned_to_fkey"
      columns: ["assigned_to"]
isOneToOne: false
      referencedRelation: "user_profiles"
      referencedColumns: ["user_id"]
    },{
      foreignKeyName: "leads_status_fkey"
      columns: ["status"]
isOneToOne: false
      referencedRelation: "pipeline_stages"
      referencedColumns: ["key"]
    },{
      foreignKeyName: "leads_team_id_fkey"
      columns: ["team_id"]
isOneToOne: false
      referencedRelation: "teams"
      referencedColumns: ["id"]
    }
                  ]
                },"user_profiles": {
                  Row: {
                    "avatar_url": string | null,"created_at": string,"department": string | null,"designation": string | null,"email": string,"full_name": string,"id": string,"phone": string | null,"preferences": NonNullable<Json>,"role": string,"status": string | null,"timezone": string | null,"updated_at": string,"user_id": string
                  }
                  ComputedFields: never
                  Relationships: [
                    
                  ]
                }
          }
          Functions: {
            "admin_health":
{ Args: Record<PropertyKey, never>; Returns: Json
                           },
"analytics_funnel":
{ Args: { "p_agent_id"?: string,"p_date_from"?: string,"p_date_to"?: string,"p_source"?: string }; Returns: {
              "count": number,"drop_off_rate": number,"percentage": number,"stage": string
            }[]
                           },
"analytics_funnel_detail":
{ Args: { "p_agent_id"?: string,"p_date_from"?: string,"p_date_to"?: string,"p_source"?: string }; Returns: {
              "count": number,"drop_off_rate": number,"is_bottleneck": boolean,"percentage": number,"stage": string,"stage_conversion_rate": number,"team_percentage": number
            }[]
                           },
"analytics_kpis":
{ Args: { "p_assigned_to"?: string,"p_date_from"?: string,"p_date_to"?: string,"p_source"?: string,"p_status"?: string }; Returns: Json
                           },
"analytics_overview":
{ Args: { "p_agent_id"?: string,"p_from"?: string,"p_to"?: string }; Returns: Json
                           },
"audit_search":
{ Args: { "p_action"?: string,"p_date_from"?: string,"p_date_to"?: string,"p_limit"?: number,"p_offset"?: number,"p_resource"?: string,"p_search"?: string,"p_user_id"?: string }; Returns: Json
                           },
"crm_create_lead":
{ Args: { "p_lead": Json }; Returns: Json
                           },
"health":
{ Args: Record<PropertyKey, never>; Returns: Json
                           },
"health_metrics":
{ Args: { "p_metric"?: string,"p_range"?: string }; Returns: Json
                           },
"inbox_get":
{ Args: { "p_id": string }; Returns: Json
                           },
"inbox_list":
{ Args: { "p_before"?: string,"p_limit"?: number,"p_provider"?: string,"p_state"?: string }; Returns: {
              "attempts": number,"error": string,"event_id": string,"finished_at": string,"id": string,"job_id": string,"provider": string,"received_at": string,"size": number,"state": string
            }[]
                           },
"inbox_rejections":
{ Args: { "p_since"?: string }; Returns: {
              "count": number,"hour": string,"provider": string,"reason": string
            }[]
                           },
"inbox_replay":
{ Args: { "p_id": string }; Returns: string
                           },
"integration_disconnect":
{ Args: { "p_type": string }; Returns: Json
                           },
"job_cancel":
{ Args: { "p_id": string }; Returns: string
                           },
"job_retry":
{ Args: { "p_id": string }; Returns: string
                           },
"jobs_list":
{ Args: { "p_before"?: string,"p_kind"?: string,"p_limit"?: number,"p_state"?: string }; Returns: {
              "attempts": number,"created_at": string,"ended_at": string,"id": string,"kind": string,"last_error": string,"max_attempts": number,"payload": Json,"priority": number,"provider": string,"request_id": string,"run_at": string,"state": string
            }[]
                           },
"jobs_stats":
{ Args: Record<PropertyKey, never>; Returns: Json
                           },
"lead_assign":
{ Args: { "p_lead_ids": (string)[],"p_reason"?: string,"p_user_id": string }; Returns: Json
                           },
"lead_set_status":
{ Args: { "p_lead_id": string,"p_reason"?: string,"p_status": string }; Returns: {
              "annual_revenue": number | null,
"assigned_to": string | null,
"course": string | null,
"created_at": string,
"created_by": string | null,
"currency": string,
"custom_fields": NonNullable<Json>,
"deleted_at": string | null,
"email": string | null,
"experience": number | null,
"first_name": string,
"gender": string | null,
"id": string,
"industry": string | null,
"job_title": string | null,
"last_interaction_at": string | null,
"last_name": string,
"lead_id": string,
"lead_no": number,
"max_stage": number,
"name": string,
"no_of_employees": string | null,
"organization": string | null,
"phone": string | null,
"qualification": string | null,
"salutation": string | null,
"score": number,
"source": string,
"status": string,
"status_changed_at": string,
"tags": (string)[],
"team_id": string | null,
"territory": string | null,
"updated_at": string,
"value": number,
"version": number,
"website": string | null
            }
                          SetofOptions: {
        from: "*"
        to: "leads"
        isOneToOne: true
        isSetofReturn: false
      } },
"lead_source_mapping_test":
{ Args: { "p_form_id"?: string,"p_provider"?: string,"p_sample": Json }; Returns: Json
                           },
"me":
{ Args: Record<PropertyKey, never>; Returns: Json
                           },
"notification_stats":
{ Args: Record<PropertyKey, never>; Returns: Json
                           },
"notifications_read_all":
{ Args: Record<PropertyKey, never>; Returns: number
                           },
"notify":
{ Args: { "p_action_label"?: string,"p_action_url"?: string,"p_expires_at"?: string,"p_lead_id"?: string,"p_message": string,"p_metadata"?: Json,"p_priority"?: string,"p_student_id"?: string,"p_title": string,"p_type"?: string,"p_user_id": string }; Returns: string
                           },
"notify_broadcast":
{ Args: { "p_action_label"?: string,"p_action_url"?: string,"p_expires_at"?: string,"p_message": string,"p_metadata"?: Json,"p_priority"?: string,"p_title": string,"p_type"?: string,"p_user_ids": (string)[] }; Returns: Json
                           },
"notify_system":
{ Args: { "p_action_label"?: string,"p_action_url"?: string,"p_expires_at"?: string,"p_message": string,"p_metadata"?: Json,"p_priority"?: string,"p_title": string,"p_type"?: string }; Returns: Json
                           },
"pipeline_board":
{ Args: { "p_limit"?: number }; Returns: Json
                           },
"pipeline_summary":
{ Args: Record<PropertyKey, never>; Returns: {
              "count": number,"name": string,"position": number,"stage": string,"value": number
            }[]
                           },
"user_set_access":
{ Args: { "p_is_active"?: boolean,"p_role"?: string,"p_user_id": string }; Returns: undefined
                           }
          }
          Enums: {
            [_ in never]: never
          }
          CompositeTypes: {
            [_ in never]: never
          }
        }
}

type DatabaseWithoutInternals = Omit<Database, '__InternalSupabase'>

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">]

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])
    : never = never
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])[TableName] extends {
      Row: infer R
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
  ? (DefaultSchema["Tables"] & DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
      Row: infer R
    }
    ? R
    : never
  : never

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Insert: infer I
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
  ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Insert: infer I
    }
    ? I
    : never
  : never

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Update: infer U
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
  ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Update: infer U
    }
    ? U
    : never
  : never

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never = never
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
  ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
  : never

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never = never
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
  ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
  : never

export const Constants = {
  "public": {
          Enums: {
            
          }
        }
} as const
